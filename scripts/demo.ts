/**
 * The life of a pod, shown step by step with its times: import, sandbox, container, log, network, exec, stats, stop, remove. Runs in
 * a node of its own, as the tests do: own mounts, own network, own folders. scripts/demo calls it.
 */
import { ContainerConfig, NamespaceMode } from "../proto/gen/runtime/v1/api.ts";
import { busybox } from "../tests/images/busybox.ts";
import { writeOciLayout } from "../tests/images/oci_layout.ts";
import { run, waitUntil } from "../tests/support/command.ts";
import { Instance } from "../tests/support/instance.ts";
import { difference, snapshot } from "../tests/support/leftovers.ts";
import { TestNode } from "../tests/support/node.ts";
import { Workbench } from "../tests/support/pods.ts";
import { exists, tools } from "../tests/support/tools.ts";
import { humanSize } from "../src/cli/format.ts";

const IMAGE = "docker.io/library/skiff-demo:latest";
/** Runs as process 1 of the container: says who it is, serves a page, and ends by itself on SIGTERM. */
const SCRIPT = `
trap 'echo "SIGTERM: good bye"; exit 0' TERM
echo "hello from process $$ on $(hostname)"
echo "this went to standard error" >&2
mkdir -p /tmp/www && echo "a page from $(hostname)" >/tmp/www/index.html
httpd -p 8080 -h /tmp/www
while :; do sleep 3600 & wait $!; done
`;
const TITLE_WIDTH = 20;
const bold = (text: string) => Deno.stdout.isTerminal() ? `\x1b[1m${text}\x1b[0m` : text;

/** Runs one step and prints its title, its time, and the lines that `show` makes of its result. */
async function step<T>(title: string, work: () => Promise<T>, show: (result: T) => string): Promise<T> {
  const started = performance.now();
  const result = await work();
  const time = `${(performance.now() - started).toFixed(1)} ms`;
  const [first, ...more] = show(result).trimEnd().split("\n");
  console.log(`  ${bold(title.padEnd(TITLE_WIDTH))} ${time.padStart(9)}   ${first}`);
  for (const line of more) console.log(`${" ".repeat(TITLE_WIDTH + 15)}${line}`);
  return result;
}

async function life(node: TestNode, skiff: Instance, runtime: string): Promise<void> {
  const cli = (...args: string[]) =>
    run(tools.skiff, [...args.slice(0, 2), "--socket", skiff.socket, ...args.slice(2)]);
  const bench = new Workbench(skiff, "demo");
  const client = skiff.client;
  const layout = `${node.root}/layout`;
  await writeOciLayout(layout, [{ image: busybox(), name: IMAGE }]);

  await step("skiff image import", () => cli("image", "import", layout), (out) => out);
  const sandbox = await step("RunPodSandbox", () =>
    bench.sandbox(
      { metadata: { name: "demo" }, hostname: "demo", portMappings: [{ containerPort: 8080, hostPort: 18080 }] },
      runtime,
    ), ({ id }) => `pod ${id.slice(0, 13)}`);
  const { status } = await client.podSandboxStatus({ podSandboxId: sandbox.id });
  const address = status?.network?.ip ?? "";
  const config = ContainerConfig.fromPartial({
    metadata: { name: "hello" },
    image: { image: IMAGE },
    command: ["/bin/sh", "-c", SCRIPT],
    logPath: "hello/0.log",
    linux: {
      resources: { memoryLimitInBytes: 64n << 20n },
      securityContext: { namespaceOptions: { pid: NamespaceMode.CONTAINER } },
    },
  });
  const log = `${sandbox.config.logDirectory}/${config.logPath}`;
  await Deno.mkdir(`${sandbox.config.logDirectory}/hello`);
  const { containerId } = await step(
    "CreateContainer",
    () => client.createContainer({ podSandboxId: sandbox.id, config, sandboxConfig: sandbox.config }),
    ({ containerId }) => `container ${containerId.slice(0, 13)}, at most 64 MiB`,
  );
  await step("StartContainer", () => client.startContainer({ containerId }), () => "process 1 runs");
  await waitUntil(
    "the container has written its log",
    () => Deno.readTextFileSync(log).split("\n").length > 2,
  );
  await step("skiff logs", async () => {
    const { stdout, stderr } = await new Deno.Command(tools.skiff, {
      args: ["logs", "--socket", skiff.socket, "hello"],
    }).output();
    return [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)).join("");
  }, (text) => text);
  await step(
    "over the network",
    () =>
      waitUntil("the page comes", async () => {
        const { code, stdout } = await node.holder.tryRun(
          tools.busybox,
          "wget",
          "-q",
          "-O-",
          `http://${address}:8080/`,
        );
        return code === 0 && stdout;
      }),
    (page) => `http://${address}:8080/ says: ${page}`,
  );
  await step(
    "ExecSync",
    () => bench.sh(containerId, "id -u; cat /etc/hostname; ls /"),
    (out) => out.replace(/\n(?=\D*$)/g, " "),
  );
  await step("ContainerStats", () => client.containerStats({ containerId }), ({ stats }) => {
    const memory = stats?.memory?.workingSetBytes?.value ?? 0n;
    const cpu = Number(stats?.cpu?.usageCoreNanoSeconds?.value ?? 0n) / 1e6;
    return `${humanSize(memory)} of memory, ${cpu.toFixed(0)} ms of CPU`;
  });
  await step(
    "StopContainer",
    () => client.stopContainer({ containerId, timeout: 10n }),
    () => lastLogLine(log),
  );
  const ended = await bench.status(containerId);
  await step(
    "RemoveContainer",
    () => client.removeContainer({ containerId }),
    () => `it had ended with exit code ${ended.exitCode}`,
  );
  await step(
    "StopPodSandbox",
    () => client.stopPodSandbox({ podSandboxId: sandbox.id }),
    () => `${address} is free again`,
  );
  await step("RemovePodSandbox", () => client.removePodSandbox({ podSandboxId: sandbox.id }), () => "");
  await step("RemoveImage", () => client.removeImage({ image: { image: IMAGE } }), () => "");
}

function lastLogLine(path: string): string {
  const line = Deno.readTextFileSync(path).trimEnd().split("\n").at(-1) ?? "";
  return `its last line: ${line.split(" ").slice(3).join(" ")}`;
}

/** What the pod left in the node while its network still exists: the plugins keep a bridge and empty chains, by their design. */
async function leftByPod(node: TestNode, before: Awaited<ReturnType<typeof snapshot>>): Promise<string[]> {
  const left = await node.leftSince(before);
  return left.filter((line) => !/^(link: skiff-test0|packet filter rule: .*)$/.test(line));
}

async function demo(runtime: string): Promise<string[]> {
  // Of what others do on this machine meanwhile, nothing must count: the name of this run's node is on all it makes.
  const before = await snapshot({ instance: "(a name that nothing has)" });
  const left: string[] = [];
  let name: string;
  {
    await using node = await TestNode.start({ registry: false });
    name = node.name;
    await using skiff = new Instance(node, { config: { defaultRuntime: runtime } });
    await step("skiff serve", () => skiff.start(), () => `answers at ${skiff.socket}`);
    const beforePod = await node.snapshot();
    try {
      await life(node, skiff, runtime);
      await step("SIGTERM", () => skiff.stop(), (code) => `the daemon ended with exit code ${code}`);
    } catch (error) {
      throw new Error(`${(error as Error).message}\n\nthe daemon's log ends with:\n${skiff.log().slice(-4000)}`, {
        cause: error,
      });
    }
    left.push(...await leftByPod(node, beforePod));
  }
  left.push(...difference(before, await snapshot({ instance: name })));
  return left;
}

const at = Deno.args.indexOf("--runtime");
const runtime = at < 0 ? "runc" : Deno.args[at + 1];
if (!["runc", "crun"].includes(runtime) || !exists(tools[runtime as "runc"]) || Deno.args.length > (at < 0 ? 0 : 2)) {
  console.error("usage: sudo scripts/demo [--runtime runc|crun]");
  Deno.exit(2);
}
const version = (await run(tools.skiff, ["version", "--client"])).trim();
const runtimeVersion = (await run(tools[runtime as "runc"], ["--version"])).split("\n")[0];
console.log(`\n${bold("The life of a pod")}: ${version}; ${runtimeVersion}; kernel ${Deno.osRelease()}\n`);
try {
  const left = await demo(runtime);
  const nothing = `nothing (${Object.keys(await snapshot()).filter((kind) => kind !== "file").join(", ")}: as before)`;
  console.log(
    `\n  ${bold("left behind:")} ${left.length === 0 ? nothing : left.map((line) => `\n    ${line}`).join("")}`,
  );
  Deno.exit(left.length === 0 ? 0 : 1);
} catch (error) {
  console.error(`\nscripts/demo: ${(error as Error).message}`);
  Deno.exit(1);
}
