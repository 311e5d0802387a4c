/** kubectl as a check uses it: in a Kubernetes namespace of its own, until its time is over. */
import { type Output, patience, sleep } from "../support/command.ts";
import type { CheckContext, Cluster, PodPhase } from "./check.ts";
import { programs } from "./options.ts";

/** What one kubectl may take that does not say how long it waits. */
const KUBECTL_MS = 150_000 * patience;
/** kubectl gives a handshake ten seconds, which an emulated machine may need for other things. Nothing was asked yet. */
const NOT_CONNECTED = "net/http: TLS handshake timeout";
const CONNECTIONS = 5;
const text = new TextDecoder();

export class Context implements CheckContext {
  constructor(readonly cluster: Cluster, readonly namespace: string, readonly signal: AbortSignal) {}

  readonly tryKubectl = (...args: string[]): Promise<Output> => this.#kubectl(args);
  readonly kubectl = async (...args: string[]): Promise<string> => stdout(args, await this.#kubectl(args));
  readonly kubectlInput = async (input: string, ...args: string[]): Promise<string> =>
    stdout(args, await this.#kubectl(args, input));

  readonly apply = async (...objects: object[]): Promise<void> => {
    const list = { apiVersion: "v1", kind: "List", items: objects };
    // Objects without a namespace get the one of the command line; those with one need a command without.
    const args = objects.some((one) => namespaceOf(one) !== undefined) ? ["--namespace="] : [];
    const items = args.length === 0 ? objects : objects.map((one) => this.#placed(one));
    await this.kubectlInput(JSON.stringify({ ...list, items }), "apply", "-f", "-", ...args);
  };

  // deno-lint-ignore no-explicit-any
  readonly get = async <T = any>(kind: string, name: string): Promise<T> =>
    JSON.parse(await this.kubectl("get", kind, name, "-o", "json"));

  readonly until = async <T>(
    what: string,
    probe: () => Promise<T | undefined | false>,
    seconds = 60,
  ): Promise<T> => {
    const end = Date.now() + seconds * 1000 * patience;
    for (;;) {
      const answer = await probe();
      if (answer !== undefined && answer !== false) return answer;
      this.signal.throwIfAborted();
      if (Date.now() > end) throw new Error(`waited ${seconds} s in vain: ${what}`);
      await sleep(1000);
    }
  };

  readonly podIs = async (name: string, phase: PodPhase, seconds = 60) => {
    await this.#waitForPod(name, `--for=jsonpath={.status.phase}=${phase}`, phase, seconds);
    return await this.get("pod", name);
  };
  readonly ready = async (name: string, seconds = 60) => {
    await this.#waitForPod(name, "--for=condition=Ready", "Ready", seconds);
    return await this.get("pod", name);
  };
  readonly logs = (name: string, ...args: string[]): Promise<string> => this.kubectl("logs", name, ...args);
  readonly exec = (name: string, ...command: string[]): Promise<string> => this.kubectl("exec", name, "--", ...command);

  #placed(one: object): object {
    return namespaceOf(one) ? one : { ...one, metadata: { ...metadataOf(one), namespace: this.namespace } };
  }

  async #waitForPod(name: string, condition: string, what: string, seconds: number): Promise<void> {
    const { code, stderr } = await this.tryKubectl("wait", `pod/${name}`, condition, `--timeout=${seconds}s`);
    if (code === 0) return;
    const pod = await this.tryKubectl("get", "pod", name, "-o", "jsonpath={.status}");
    const events = await this.tryKubectl(
      ...["get", "events", `--field-selector=involvedObject.name=${name}`],
      ...["-o", 'jsonpath={range .items[*]}{.reason}: {.message}{"\\n"}{end}'],
    );
    throw new Error(`pod ${name} is not ${what} (${stderr.trim()})\nstatus: ${pod.stdout}\nevents: ${events.stdout}`);
  }

  async #kubectl(args: string[], input?: string): Promise<Output> {
    for (let left = CONNECTIONS;; left--) {
      const output = await this.#kubectlOnce(args, input);
      if (left === 1 || output.code === 0 || !output.stderr.includes(NOT_CONNECTED)) return output;
    }
  }

  async #kubectlOnce(args: string[], input?: string): Promise<Output> {
    this.signal.throwIfAborted();
    const named = args.some((argument) => /^(-n|--namespace=.*|-A|--all-namespaces)$/.test(argument));
    const place = named ? [] : [`--namespace=${this.namespace}`];
    const given = args.filter((argument) => argument !== "--namespace=").map(patiently);
    const child = new Deno.Command("nsenter", {
      args: this.cluster.enter(`${programs}/kubectl`, `--kubeconfig=${this.cluster.kubeconfig}`, ...place, ...given),
      stdin: input === undefined ? "null" : "piped",
      stdout: "piped",
      stderr: "piped",
      signal: AbortSignal.any([this.signal, AbortSignal.timeout(KUBECTL_MS)]),
    }).spawn();
    if (input !== undefined) {
      const writer = child.stdin.getWriter();
      await writer.write(new TextEncoder().encode(input));
      await writer.close();
    }
    const output = await child.output();
    this.signal.throwIfAborted();
    return { code: output.code, stdout: text.decode(output.stdout), stderr: text.decode(output.stderr) };
  }
}

/** An argument that says how long kubectl is to wait gets more of it on a slow machine. */
function patiently(argument: string): string {
  return argument.replace(/^--timeout=(\d+)s$/, (_, seconds) => `--timeout=${Number(seconds) * patience}s`);
}

function stdout(args: string[], { code, stdout, stderr }: Output): string {
  if (code !== 0) throw new Error(`kubectl ${args.join(" ")} exited with ${code}: ${(stderr + stdout).trim()}`);
  return stdout;
}

const metadataOf = (object: object) => (object as { metadata?: { namespace?: string } }).metadata ?? {};
const namespaceOf = (object: object) => metadataOf(object).namespace;
