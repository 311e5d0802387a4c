import { assert, assertEquals } from "@std/assert";
import { Attend } from "../../../src/oci/attend.ts";
import { kernel, programs } from "../../../src/sys/mod.ts";

kernel.getpid();

/** The event loop may see a closed pipe only after the test. */
const ends = { sanitizeOps: false };

/**
 * Runs the program with a shell script in the place of the runtime, which gets the path of the pid file. A shell may reap
 * what it has started, which no runtime does: the command is a child of a subshell that ends before it.
 */
async function attend(script: string) {
  const folder = Deno.makeTempDirSync({ prefix: "skiff-attend-" });
  try {
    const path = await new Attend(kernel, programs, `${folder}/attend`).path();
    if (path === undefined) throw new Error("it does not run here");
    const began = performance.now();
    const pid = `${folder}/pid`;
    const result = await programs.run(path, [pid, "/bin/sh", "-c", script, "sh", pid], { env: { GREETING: "hello" } });
    const text = new TextDecoder().decode(result.stdout);
    return { code: result.code, text, milliseconds: performance.now() - began };
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("Attend: ends as the command that the runtime has left behind", ends, async () => {
  const { code, text } = await attend("({ sleep 0.1; echo $GREETING; exit 7; } & echo $! >$1)");
  assertEquals([code, text], [7, "hello\n"]);
});

Deno.test("Attend: a command that ended before the runtime did is not missed", ends, async () => {
  assertEquals((await attend("({ sleep 0.05; exit 3; } & echo $! >$1); sleep 0.2")).code, 3);
});

Deno.test("Attend: a killed command is 128 and the signal", ends, async () => {
  assertEquals((await attend("(sh -c 'sleep 0.05; kill -9 $$' & echo $! >$1)")).code, 137);
});

Deno.test("Attend: does not wait for what the command leaves behind", ends, async () => {
  const { code, text, milliseconds } = await attend("({ sleep 3 & echo out; sleep 0.05; exit 5; } & echo $! >$1)");
  assertEquals([code, text], [5, "out\n"]);
  assert(milliseconds < 1500, `${milliseconds} ms`);
});

Deno.test("Attend: ends as the runtime where that fails, and where there is no command", ends, async () => {
  assertEquals((await attend("exit 9")).code, 9);
  assertEquals((await attend("kill -15 $$")).code, 143);
  assertEquals((await attend("exit 0")).code, 255);
  assertEquals((await attend("echo 1 >$1")).code, 255);
});

Deno.test("Attend.path() is undefined where it cannot be made, and asks again", ends, async () => {
  const folder = Deno.makeTempDirSync({ prefix: "skiff-attend-" });
  try {
    const attend = new Attend(kernel, programs, `${folder}/later/attend`);
    assertEquals(await attend.path(), undefined);
    Deno.mkdirSync(`${folder}/later`);
    assertEquals(await attend.path(), `${folder}/later/attend`);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});
