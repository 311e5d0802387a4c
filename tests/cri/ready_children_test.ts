/** The processes that wait for the next pull end, or stop, as it begins: it goes on with others. */
import { assertEquals, assertNotEquals, assertStringIncludes } from "@std/assert";
import { waitUntil } from "../support/command.ts";
import { Instance } from "../support/instance.ts";
import { TestNode } from "../support/node.ts";
import { onSkiff } from "../support/runtime_under_test.ts";

const options = { ignore: Deno.uid() !== 0 || !onSkiff, sanitizeOps: false, sanitizeResources: false };

/** Pids of the daemon's [fetcher, parser], where it has just these two. */
function pairOf(daemon: Instance): [number, number] | undefined {
  const threads = [...Deno.readDirSync(`/proc/${daemon.pid}/task`)];
  const pids = threads.flatMap(({ name }) => {
    try {
      return Deno.readTextFileSync(`/proc/${daemon.pid}/task/${name}/children`).split(" ").filter(Boolean).map(Number);
    } catch {
      return [];
    }
  });
  const named = (word: string) =>
    pids.filter((pid) => {
      try {
        return Deno.readTextFileSync(`/proc/${pid}/cmdline`).includes(word);
      } catch {
        return false;
      }
    });
  const [fetchers, parsers] = [named("__fetch"), named("__parse")];
  return fetchers.length === 1 && parsers.length === 1 ? [fetchers[0], parsers[0]] : undefined;
}

/** Whether a process has opened a connection. */
function isConnected(pid: number): boolean {
  const sockets = [...Deno.readDirSync(`/proc/${pid}/fd`)].map(({ name }) => {
    try {
      return /^socket:\[(\d+)\]$/.exec(Deno.readLinkSync(`/proc/${pid}/fd/${name}`))?.[1];
    } catch {
      return undefined;
    }
  });
  // The tenth column is the socket's inode.
  const connections = Deno.readTextFileSync(`/proc/${pid}/net/tcp`).trim().split("\n").slice(1);
  return connections.some((line) => sockets.includes(line.trim().split(/\s+/)[9]));
}

function send(pids: number[], ...signals: Deno.Signal[]): void {
  for (const signal of signals) {
    for (const pid of pids) {
      try {
        Deno.kill(pid, signal);
      } catch (error) {
        // The end of the one is the other's, too.
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
  }
}

Deno.test("a pull outlives the processes that were ready for it, once, until they speak (root)", options, async () => {
  await using node = await TestNode.start();
  await using daemon = new Instance(node, { config: { images: { keepReadySeconds: 600 } } });
  await daemon.start();
  const image = { image: node.image("test/busybox:1") };
  const registry = node.registry!;
  const pull = async () => {
    await daemon.client.pullImage({ image });
    await daemon.client.removeImage({ image });
  };
  const ready = () => waitUntil("a pair is ready", () => pairOf(daemon));
  /** The pair that has asked the registry. */
  const asking = (other?: [number, number]) =>
    waitUntil("a pair asks the registry", () => {
      const pair = pairOf(daemon);
      return pair && pair[0] !== other?.[0] && isConnected(pair[0]) ? pair : undefined;
    });
  /** A pull whose pair meets its end when it has asked the registry, which does not answer before that. */
  const meddled = async (meddle: (pair: [number, number]) => void, times = 1): Promise<string> => {
    const before = await ready();
    registry.freeze();
    try {
      const outcome = pull().then(() => "pulled", (error) => String(error));
      const first = await asking();
      assertEquals(first, before);
      meddle(first);
      if (times === 2) meddle(await asking(first));
      registry.thaw();
      const result = await outcome;
      assertNotEquals(await ready(), before);
      return result;
    } finally {
      registry.thaw();
    }
  };
  await pull();
  for (
    const meddle of [
      ([fetcher]) => send([fetcher], "SIGKILL"),
      ([, parser]) => send([parser], "SIGKILL"),
      (pair) => send(pair, "SIGKILL"),
      (pair) => send(pair, "SIGSTOP", "SIGKILL"),
    ] as ((pair: [number, number]) => void)[]
  ) assertEquals(await meddled(meddle), "pulled");

  assertStringIncludes(await meddled((pair) => send(pair, "SIGKILL"), 2), "without saying why");

  // Those that are stopped before are replaced.
  await pull();
  const stopped = await ready();
  send(stopped, "SIGSTOP");
  const state = (pid: number) => /\) (\w) /.exec(Deno.readTextFileSync(`/proc/${pid}/stat`))?.[1];
  await waitUntil("they have stopped", () => stopped.every((pid) => state(pid) === "T"));
  await pull();
  assertNotEquals(await ready(), stopped);
  await daemon.stop();
});
