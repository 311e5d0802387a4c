/**
 * The streaming server by itself, over a real container of runc or crun under conmon. What the tests want of it they ask
 * over HTTP; everything it made is gone when its standard input ends.
 *
 * Usage: deno run -A tests/streaming/server.ts runc|crun PATH_OF_THE_GO_CLIENT
 */
import { pinNamespaces, unpin } from "../../src/network/mod.ts";
import { buildExecProcess } from "../../src/oci/mod.ts";
import type { Logger } from "../../src/observe/types.ts";
import { type ExecTarget, StreamingServer } from "../../src/streaming/mod.ts";
import { kernel } from "../../src/sys/mod.ts";
import { type LiveContainer, LiveNode } from "../unit/oci/support/live_node.ts";

const [runtime, client] = Deno.args;
const logger: Logger = { debug() {}, info() {}, warn: console.error, error: console.error, with: () => logger };

await using stack = new AsyncDisposableStack();
const node = stack.use(new LiveNode(runtime as "runc" | "crun"));
const streaming = stack.use(new StreamingServer({ kernel, logger, streamTimeout: 2_000 }));
const netns = `${node.state}/net`;
pinNamespaces(kernel, { net: netns });
stack.defer(() => unpin(kernel, netns));
for (const address of ["127.0.0.1:8080", "[::1]:8081"]) {
  const args = [`--net=${netns}`, client, "serve", "-listen", address];
  const echo = new Deno.Command("nsenter", { args, stdin: "null", stdout: "piped" }).spawn();
  stack.defer(async () => {
    echo.kill("SIGKILL");
    await echo.output();
  });
}

const containers = new Map<string, LiveContainer>();
containers.set("main", await node.start(["sleep", "100000"]));

function execTarget(container: LiveContainer, command: string[], tty: boolean): ExecTarget {
  const process = buildExecProcess(container.spec.process, command, tty);
  return {
    uid: 0,
    gid: 0,
    start: (stdio) => node.runtime.exec(node.handler, container.id, process, stdio),
    startOnTerminal: (size) => node.runtime.execOnTerminal(node.handler, container.id, process, size),
  };
}

const flag = (query: URLSearchParams, name: string) => query.get(name) === "1";
const selection = (query: URLSearchParams) => ({
  stdin: flag(query, "stdin"),
  stdout: flag(query, "stdout"),
  stderr: flag(query, "stderr"),
  tty: flag(query, "tty"),
});

const answers: Record<string, (query: URLSearchParams) => string | Promise<string>> = {
  "/exec": (query) => {
    const command = JSON.parse(query.get("cmd")!);
    const wanted = selection(query);
    return streaming.exec({ ...wanted, target: () => execTarget(containers.get("main")!, command, wanted.tty) });
  },
  "/attach": (query) => {
    const { id, bundle } = containers.get(query.get("container")!)!;
    const target = {
      socket: `${node.state}/attach/${id}/attach`,
      resize: (rows: number, columns: number) => node.monitor.resizeTerminal(bundle, rows, columns),
    };
    return streaming.attach({ ...selection(query), target: () => target });
  },
  "/portforward": () => streaming.portForward({ ports: [8080], target: () => ({ id: "pod1", netns }) }),
  /** A container of its own, for attach. */
  "/create": async (query) => {
    const tty = flag(query, "tty");
    const prepared = node.prepare({ config: { command: JSON.parse(query.get("cmd")!), tty } });
    const options = { terminal: tty, stdin: true, leaveStdinOpen: !flag(query, "once") };
    const container = await node.create(prepared, options);
    containers.set(query.get("container")!, container);
    await node.runtime.start(node.handler, container.id);
    return container.id;
  },
  /** Command lines of what runs in the container beside its first process. */
  "/processes": () => {
    const { input, pid } = containers.get("main")!;
    const others = node.cgroups.processes(input.placement).filter((one) => one !== pid);
    return JSON.stringify(others.map((one) => kernel.readText(`/proc/${one}/cmdline`).replaceAll("\0", " ").trim()));
  },
  "/figures": () => {
    const status = kernel.readText("/proc/self/status");
    const number = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)![1]);
    return JSON.stringify({
      rss: number("VmRSS") / 1024,
      threads: number("Threads"),
      descriptors: kernel.readDirectory("/proc/self/fd").length,
      connections: streaming.connections,
      files: kernel.exists(`${node.state}/exec`) ? kernel.readDirectory(`${node.state}/exec`).length : 0,
    });
  },
};

const control = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
  const { pathname, searchParams } = new URL(request.url);
  try {
    return new Response(await answers[pathname](searchParams));
  } catch (error) {
    return new Response(String(error), { status: 500 });
  }
});
console.log(JSON.stringify({ control: `http://127.0.0.1:${control.addr.port}`, pid: Deno.pid }));

// The test has gone, or wants us to.
await Deno.stdin.read(new Uint8Array(1));
await control.shutdown();
await stack.disposeAsync();
Deno.exit(0);
