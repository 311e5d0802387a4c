/** Requests as a kubelet makes them, with what a test wants changed, and the shortest way to a running container. */
import type { ContainerConfig, ContainerStatus, PodSandboxConfig } from "../../proto/gen/runtime/v1/api.ts";
import {
  ContainerConfig as ContainerConfigType,
  ContainerState,
  NamespaceMode,
  PodSandboxConfig as PodSandboxConfigType,
} from "../../proto/gen/runtime/v1/api.ts";
import { CallError, Code } from "./client.ts";
import { tryRun, waitUntil } from "./command.ts";
import type { Daemon } from "./daemon.ts";
import { onSkiff } from "./runtime_under_test.ts";

type SandboxPart = Parameters<typeof PodSandboxConfigType.fromPartial>[0];
type ContainerPart = Parameters<typeof ContainerConfigType.fromPartial>[0];

export interface Container {
  id: string;
  config: ContainerConfig;
  sandbox: Sandbox;
  /** File of its log. */
  log: string;
}

export interface Sandbox {
  id: string;
  config: PodSandboxConfig;
}

const encoder = new TextEncoder();
export const env = (values: Record<string, string>) =>
  Object.entries(values).map(([key, value]) => ({ key, value: encoder.encode(value) }));

/** Makes pods and containers in one runtime and takes all of them away again. */
export class Workbench implements AsyncDisposable {
  #sandboxes = new Set<string>();
  #count = 0;
  constructor(readonly daemon: Daemon, readonly prefix = crypto.randomUUID().slice(0, 6)) {}

  get client() {
    return this.daemon.client;
  }
  get node() {
    return this.daemon.node;
  }
  /** The image most tests run. */
  get busybox(): string {
    return this.node.image("test/busybox:1");
  }

  sandboxConfig(part: SandboxPart = {}): PodSandboxConfig {
    const name = part?.metadata?.name ?? `pod-${this.prefix}-${++this.#count}`;
    const uid = part?.metadata?.uid ?? `uid-${name}`;
    return PodSandboxConfigType.fromPartial({
      hostname: "test-pod",
      logDirectory: `${this.node.logs}/${name}`,
      labels: {
        "io.kubernetes.pod.name": name,
        "io.kubernetes.pod.namespace": "default",
        "io.kubernetes.pod.uid": uid,
      },
      ...part,
      metadata: { namespace: "default", attempt: 0, ...part?.metadata, name, uid },
      linux: {
        cgroupParent: this.node.pods,
        ...part?.linux,
        securityContext: { namespaceOptions: { pid: NamespaceMode.CONTAINER }, ...part?.linux?.securityContext },
      },
    });
  }

  containerConfig(part: ContainerPart = {}): ContainerConfig {
    const name = part?.metadata?.name ?? "main";
    return ContainerConfigType.fromPartial({
      image: { image: this.busybox, userSpecifiedImage: this.busybox },
      command: ["sleep", "3600"],
      logPath: `${name}/0.log`,
      ...part,
      metadata: { attempt: 0, ...part?.metadata, name },
      linux: {
        resources: part?.linux?.resources,
        ...part?.linux,
        securityContext: { namespaceOptions: { pid: NamespaceMode.CONTAINER }, ...part?.linux?.securityContext },
      },
    });
  }

  async pull(image = this.busybox): Promise<string> {
    return (await this.client.pullImage({ image: { image } })).imageRef;
  }

  async sandbox(part: SandboxPart = {}, runtimeHandler = ""): Promise<Sandbox> {
    const config = this.sandboxConfig(part);
    await Deno.mkdir(config.logDirectory, { recursive: true });
    const { podSandboxId: id } = await this.client.runPodSandbox({ config, runtimeHandler });
    this.#sandboxes.add(id);
    return { id, config };
  }

  /** Sandboxes that a test made by its own call are taken away too. */
  adopt(id: string): string {
    this.#sandboxes.add(id);
    return id;
  }

  async create(sandbox: Sandbox, part: ContainerPart = {}): Promise<Container> {
    const config = this.containerConfig(part);
    const log = `${sandbox.config.logDirectory}/${config.logPath}`;
    await Deno.mkdir(log.slice(0, log.lastIndexOf("/")), { recursive: true });
    const { containerId: id } = await this.client.createContainer({
      podSandboxId: sandbox.id,
      config,
      sandboxConfig: sandbox.config,
    });
    return { id, config, sandbox, log };
  }

  /** A started container in `sandbox`, or in a new one. */
  async run(part: ContainerPart = {}, sandbox?: Sandbox): Promise<Container> {
    const container = await this.create(sandbox ?? await this.sandbox(), part);
    await this.client.startContainer({ containerId: container.id });
    return container;
  }

  /** Runs a shell script as a container of its own to its end. */
  async runScript(
    script: string,
    part: ContainerPart = {},
    sandbox?: Sandbox,
  ): Promise<{ container: Container; status: ContainerStatus; lines: LogLine[] }> {
    const container = await this.run({ ...part, command: ["/bin/sh", "-c", script] }, sandbox);
    const status = await this.exited(container.id);
    return { container, status, lines: readLog(container.log) };
  }

  async status(containerId: string): Promise<ContainerStatus> {
    return (await this.client.containerStatus({ containerId })).status!;
  }

  exited(containerId: string, timeout = 20_000): Promise<ContainerStatus> {
    return waitUntil(`container ${containerId} has exited`, async () => {
      const status = await this.status(containerId);
      return status.state === ContainerState.CONTAINER_EXITED && status;
    }, timeout);
  }

  async exec(
    container: Container | string,
    command: string[],
    timeout = 0,
  ): Promise<{ stdout: string; stderr: string; exitCode: number }> {
    const containerId = typeof container === "string" ? container : container.id;
    const { stdout, stderr, exitCode } = await this.client.execSync({
      containerId,
      cmd: command,
      timeout: BigInt(timeout),
    });
    return { stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr), exitCode };
  }

  /** The output of a shell script in a running container; a non-zero exit code throws. */
  async sh(container: Container | string, script: string): Promise<string> {
    const { stdout, stderr, exitCode } = await this.exec(container, ["/bin/sh", "-c", script]);
    if (exitCode !== 0) throw new Error(`${script} exited with ${exitCode}: ${stderr}${stdout}`);
    return stdout.trimEnd();
  }

  /** A command on the node's own network. */
  onNode(program: string, ...args: string[]) {
    return tryRun("nsenter", this.node.holder.enter(program, args));
  }

  async remove(sandboxId: string): Promise<void> {
    await this.client.stopPodSandbox({ podSandboxId: sandboxId });
    await this.client.removePodSandbox({ podSandboxId: sandboxId });
    this.#sandboxes.delete(sandboxId);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const failures: string[] = [];
    for (const id of this.#sandboxes) await this.remove(id).catch((error) => failures.push(`${id}: ${error.message}`));
    if (failures.length > 0) throw new Error(`pods that cannot be removed: ${failures.join("; ")}`);
  }
}

export interface LogLine {
  time: string;
  stream: string;
  tag: string;
  text: string;
}

/**
 * The entries of a log in the CRI format: `TIME STREAM P|F TEXT`. A `P` is the beginning of a line, which the next entry of
 * the same stream goes on with. Throws on an entry of another form.
 */
export function readLogEntries(path: string): LogLine[] {
  const entries = Deno.readTextFileSync(path).split("\n");
  if (entries.pop() !== "") throw new Error(`${path} does not end with a newline`);
  return entries.map((entry) => {
    const match = entry.match(
      /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)) (stdout|stderr) (P|F) (.*)$/,
    );
    if (!match) throw new Error(`${path}: not an entry of a CRI log: ${JSON.stringify(entry)}`);
    return { time: match[1], stream: match[2], tag: match[3], text: match[4] };
  });
}

/** The log as `kubectl logs` shows it: partial entries put together. */
export function readLog(path: string): LogLine[] {
  const lines: LogLine[] = [];
  const open = new Map<string, LogLine>();
  for (const entry of readLogEntries(path)) {
    const line = open.get(entry.stream);
    if (line) {
      line.text += entry.text;
      line.tag = entry.tag;
    } else {
      lines.push(entry);
      open.set(entry.stream, entry);
    }
    if (entry.tag === "F") open.delete(entry.stream);
  }
  return lines;
}

/** Runs a call that must fail, and returns how. */
export async function refused(call: Promise<unknown>): Promise<CallError> {
  try {
    await call;
  } catch (error) {
    if (error instanceof CallError) return error;
    throw error;
  }
  throw new Error("the call succeeded, but had to be refused");
}

/**
 * Checks the code of a refused call and that its message has every word (case aside). Of the peer, which refuses less and
 * with other codes, a call that succeeds is only noted.
 */
export async function assertRefused(call: Promise<unknown>, code: Code | Code[], ...words: string[]): Promise<void> {
  if (!onSkiff) {
    await call.then(() => console.log(`the peer accepts what we refuse (${words.join(", ")})`), () => undefined);
    return;
  }
  const error = await refused(call);
  const codes = Array.isArray(code) ? code : [code];
  if (!codes.includes(error.code)) {
    throw new Error(`expected ${codes.map((one) => Code[one]).join(" or ")}, but got ${error.message}`);
  }
  for (const word of words) {
    if (!error.details.toLowerCase().includes(word.toLowerCase())) {
      throw new Error(`expected the message to say "${word}", but got ${error.message}`);
    }
  }
}
