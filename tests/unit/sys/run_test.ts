import { assertEquals, assertRejects } from "@std/assert";
import { Errno, kernel, poller, programs, SIGKILL } from "../real_kernel.ts";
import { leaksNoDescriptor } from "./leaks.ts";

const decoder = new TextDecoder();
const env = { PATH: "/usr/bin:/bin" };

Deno.test("run() returns code, stdout and stderr apart, and passes input", async () => {
  const result = await programs.run("/bin/sh", ["-c", "cat; echo error >&2; exit 7"], { env, input: "input" });
  assertEquals(decoder.decode(result.stdout), "input");
  assertEquals(decoder.decode(result.stderr), "error\n");
  assertEquals([result.code, result.signal, result.timedOut, result.truncated], [7, 0, false, false]);
});

Deno.test({
  name: "run() gives the pipes of the output to their owner (root)",
  ignore: Deno.uid() !== 0,
  async fn() {
    const outputOwner = { uid: 100_000, gid: 200_000 };
    const script = "stat -Lc %u:%g /dev/stdout; stat -Lc %u:%g /dev/stderr >&2";
    const { stdout, stderr } = await programs.run("/bin/sh", ["-c", script], { env, outputOwner });
    assertEquals([decoder.decode(stdout), decoder.decode(stderr)], ["100000:200000\n", "100000:200000\n"]);
  },
});

Deno.test("run() leaks no descriptor", () =>
  leaksNoDescriptor(() => programs.run("/bin/sh", ["-c", "cat; echo error >&2"], { env, input: "input" })));

Deno.test("run() passes and returns 8 MiB without a deadlock", async () => {
  const input = new Uint8Array(8 << 20).map((_, i) => i);
  const { stdout, truncated } = await programs.run("/bin/cat", [], { input, outputLimit: 8 << 20 });
  assertEquals(stdout.length, input.length);
  assertEquals(stdout.every((byte, i) => byte === input[i]), true);
  assertEquals(truncated, false);
});

Deno.test("run() keeps outputLimit bytes of each and reads the rest away", async () => {
  const script = "head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2; exit 4";
  const result = await programs.run("/bin/sh", ["-c", script], { env, outputLimit: 1000 });
  assertEquals([result.stdout.length, result.stderr.length, result.truncated, result.code], [1000, 1000, true, 4]);
  assertEquals((await programs.run("/bin/echo", ["x"])).stdout.length, 2);
});

Deno.test("run() kills after its timeout, with what the program started", async () => {
  const began = performance.now();
  const script = "sleep 54 & echo $!; sleep 55";
  const result = await programs.run("/bin/sh", ["-c", script], { env, timeout: 150 });
  assertEquals([result.timedOut, result.signal, result.code], [true, SIGKILL, 137]);
  assertEquals(performance.now() - began < 5000, true);
  const background = decoder.decode(result.stdout).trim();
  const gone = () =>
    !kernel.exists(`/proc/${background}`) || /\) [ZX]/.test(kernel.readText(`/proc/${background}/stat`));
  for (let i = 0; i < 100 && !gone(); i++) await new Promise((resolve) => setTimeout(resolve, 10));
  assertEquals(gone(), true);
});

Deno.test("run() that ends in time is not timed out", async () => {
  const result = await programs.run("/bin/sh", ["-c", "exit 3"], { timeout: 60_000 });
  assertEquals([result.timedOut, result.code], [false, 3]);
});

Deno.test("run() kills on abort and rejects with its reason", async () => {
  const reason = new Error("the caller went away");
  const abort = new AbortController();
  const running = programs.run("/bin/sleep", ["56"], { signal: abort.signal });
  setTimeout(() => abort.abort(reason), 50);
  assertEquals(await assertRejects(() => running), reason);
  const aborted = AbortSignal.abort(reason);
  assertEquals(await assertRejects(() => programs.run("/bin/true", [], { signal: aborted })), reason);
});

Deno.test("run() does not wait for a grandchild that keeps the pipes open", async () => {
  const began = performance.now();
  const { stdout, code } = await programs.run("/bin/sh", ["-c", "setsid sleep 3 & echo done"], { env });
  assertEquals([decoder.decode(stdout), code], ["done\n", 0]);
  assertEquals(performance.now() - began < 2500, true);
  await poller.idle();
});

Deno.test("run() of a program that does not read its input is fine", async () => {
  const result = await programs.run("/bin/true", [], { input: new Uint8Array(4 << 20) });
  assertEquals(result.code, 0);
});

Deno.test("run() gives the named environment only, / as folder and an empty stdin", async () => {
  const { stdout } = await programs.run("/usr/bin/env", [], { env: { ONLY: "this" } });
  assertEquals(decoder.decode(stdout), "ONLY=this\n");
  assertEquals(decoder.decode((await programs.run("/bin/pwd", [])).stdout), "/\n");
  assertEquals((await programs.run("/bin/cat", [])).stdout.length, 0);
});

Deno.test("run() rejects when the program is not there, and leaks no pipe", () =>
  leaksNoDescriptor(() =>
    assertRejects(() => programs.run("/no/such/program", [], { input: "x" }), Errno, "/no/such/program")
  ));

Deno.test("run() lets timers run while a program floods its output", async () => {
  let turns = 0;
  const timer = setInterval(() => turns++, 5);
  await programs.run("/usr/bin/head", ["-c", "200000000", "/dev/zero"], { outputLimit: 10 });
  clearInterval(timer);
  assertEquals(turns > 2, true, `${turns} turns`);
});
