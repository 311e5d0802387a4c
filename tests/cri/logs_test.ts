import { assert, assertEquals } from "@std/assert";
import { Code } from "../support/client.ts";
import { sleep, waitUntil } from "../support/command.ts";
import { assertRefused, readLog, readLogEntries } from "../support/pods.ts";
import { onSkiff } from "../support/runtime_under_test.ts";
import { suite } from "../support/suite.ts";

const { test } = suite();

test("logs: each line with its time, its stream and whether it is whole", async (bench) => {
  const began = Date.now();
  const { container } = await bench.runScript("echo out; echo err >&2; printf 'no newline'");
  const lines = readLog(container.log);
  assertEquals(lines.map((line) => [line.stream, line.text]).toSorted(), [["stderr", "err"], ["stdout", "no newline"], [
    "stdout",
    "out",
  ]]);
  assertEquals(lines.filter((line) => line.stream === "stdout").map((line) => line.text), ["out", "no newline"]);
  assertEquals(lines.find((line) => line.text === "out")!.tag, "F");
  for (const line of lines) {
    const time = Date.parse(line.time);
    assert(time >= began - 1000 && time <= Date.now() + 1000, line.time);
  }
});

test("logs: a long line is cut into parts that together are the line", async (bench) => {
  const { container } = await bench.runScript("head -c 40000 /dev/zero | tr '\\0' x; echo; echo end");
  const entries = readLogEntries(container.log);
  assert(entries.length > 2, "40000 bytes in one entry");
  assert(entries.every((entry) => entry.text.length <= 16_384), "an entry of more than 16 KiB");
  assertEquals(readLog(container.log).map((line) => line.text), ["x".repeat(40_000), "end"]);
});

test("logs: nothing is lost of ten thousand lines written at once, and they stay in order", async (bench) => {
  const { lines } = await bench.runScript("seq 1 10000");
  assertEquals(lines.length, 10_000);
  assertEquals(lines.findIndex((line, at) => line.text !== String(at + 1)), -1);
});

test("logs: bytes that aren't UTF-8 pass unchanged", async (bench) => {
  const { container } = await bench.runScript("printf '\\377\\376ok\\n'");
  const bytes = Deno.readFileSync(container.log);
  assertEquals([...bytes.slice(-5)], [0xff, 0xfe, 0x6f, 0x6b, 0x0a]);
});

test("ReopenContainerLog() goes on in a new file after the old one was moved", async (bench) => {
  const container = await bench.run({ command: ["/bin/sh", "-c", "while :; do date +%s%N; sleep 0.1; done"] });
  await waitUntil("the first line is there", () => readable(container.log));
  await Deno.rename(container.log, `${container.log}.1`);
  await bench.client.reopenContainerLog({ containerId: container.id });
  await waitUntil("a line is in the new file", () => readable(container.log));
  assert(readLog(`${container.log}.1`).length > 0);
});

test(
  "ReopenContainerLog() of a log that was not moved keeps what is in it, and so does a second call",
  async (bench) => {
    const container = await bench.run({ command: ["/bin/sh", "-c", "echo one; read line; echo $line"], stdin: true });
    await waitUntil("the first line is there", () => readable(container.log));
    await bench.client.reopenContainerLog({ containerId: container.id });
    assertEquals(readLog(container.log).map(({ text }) => text), ["one"]);
    await Deno.rename(container.log, `${container.log}.1`);
    await bench.client.reopenContainerLog({ containerId: container.id });
    const { ino } = await Deno.stat(container.log);
    await bench.client.reopenContainerLog({ containerId: container.id });
    assertEquals((await Deno.stat(container.log)).ino, ino);
  },
  { skiffOnly: "it has no monitor that replaces the file" },
);

test("ReopenContainerLog() where another program has made the new file goes on in one of its own", async (bench) => {
  const container = await bench.run({ command: ["/bin/sh", "-c", "while :; do echo line; sleep 0.1; done"] });
  await waitUntil("the first line is there", () => readable(container.log));
  await Deno.rename(container.log, `${container.log}.1`);
  await Deno.writeTextFile(container.log, "");
  await bench.client.reopenContainerLog({ containerId: container.id });
  await waitUntil("a line is in the new file", () => readable(container.log));
});

test(
  "ReopenContainerLog() waits for a monitor that is slow, rather than have the kubelet move the log back",
  async (bench) => {
    const container = await bench.run({ command: ["/bin/sh", "-c", "while :; do echo line; sleep 0.1; done"] });
    await waitUntil("the first line is there", () => readable(container.log));
    const monitor = monitorOf(container.id);
    Deno.kill(monitor, "SIGSTOP");
    await Deno.rename(container.log, `${container.log}.1`);
    let done = false;
    const call = bench.client.reopenContainerLog({ containerId: container.id }).finally(() => done = true);
    await sleep(1_500);
    Deno.kill(monitor, "SIGCONT");
    assertEquals(done, false);
    await call;
    await waitUntil("a line is in the new file", () => readable(container.log));
  },
  { skiffOnly: "it has no monitor of its own for each container" },
);

test("ReopenContainerLog() of a container that doesn't run is refused", async (bench) => {
  const { container } = await bench.runScript("true");
  await assertRefused(
    bench.client.reopenContainerLog({ containerId: container.id }),
    Code.FAILED_PRECONDITION,
    "exited",
  );
});

test("log_path leads below the pod's log directory or is refused", async (bench) => {
  const sandbox = await bench.sandbox();
  const victim = `${bench.node.dir}/victim`;
  await Deno.mkdir(victim, { recursive: true });
  for (const logPath of ["../../victim/x.log", `${victim}/x.log`, "a/../../../victim/x.log", "a\0b.log", "a\nb.log"]) {
    await assertRefused(
      bench.client.createContainer({
        podSandboxId: sandbox.id,
        config: bench.containerConfig({ logPath }),
        sandboxConfig: sandbox.config,
      }),
      Code.INVALID_ARGUMENT,
      "log_path",
    );
  }
  assertEquals([...Deno.readDirSync(victim)], []);
});

test("log_path through a symbolic link doesn't leave the pod's log directory", async (bench) => {
  const sandbox = await bench.sandbox();
  const victim = `${bench.node.dir}/victim-of-link`;
  await Deno.mkdir(victim, { recursive: true });
  await Deno.symlink(victim, `${sandbox.config.logDirectory}/link`);
  await bench.run({ logPath: "link/x.log" }, sandbox).catch(() => undefined);
  assertEquals([...Deno.readDirSync(victim)], []);
}, { skiffOnly: "it follows the link" });

test("without a log directory there is no log, and the container runs", async (bench) => {
  const config = bench.sandboxConfig({ logDirectory: "" });
  config.logDirectory = "";
  const { podSandboxId } = await bench.client.runPodSandbox({ config });
  bench.adopt(podSandboxId);
  const { containerId } = await bench.client.createContainer({
    podSandboxId,
    config: bench.containerConfig({ logPath: "", command: ["echo", "x"] }),
    sandboxConfig: config,
  });
  await bench.client.startContainer({ containerId });
  const status = await bench.exited(containerId);
  assertEquals(status.exitCode, 0);
  if (onSkiff) assertEquals(status.logPath, "");
});

function readable(path: string): boolean {
  try {
    return Deno.statSync(path).size > 0;
  } catch {
    return false;
  }
}

/** Pid of the conmon of a container. */
function monitorOf(id: string): number {
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const args = Deno.readTextFileSync(`/proc/${name}/cmdline`).split("\0");
      if (args[0].endsWith("conmon") && args.includes(id)) return Number(name);
    } catch {
      // It has ended.
    }
  }
  throw new Error(`no monitor of ${id}`);
}
