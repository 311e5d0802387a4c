import { assertEquals, assertThrows } from "@std/assert";
import { SIGKILL } from "../../../src/sys/mod.ts";
import { Errno, kernel, programs, selfCgroup } from "../real_kernel.ts";

// In a process of its own: a test must not change the priority of all others.
const code = `
  import { favourThisThread, kernel, programs } from "${new URL("../../../src/sys/mod.ts", import.meta.url).pathname}";
  favourThisThread(-20);
  const nice = (text) => Number(text.slice(text.lastIndexOf(")") + 2).split(" ")[16]);
  const child = await programs.run("/bin/cat", ["/proc/self/stat"]);
  console.log(nice(kernel.readText("/proc/thread-self/stat")), nice(new TextDecoder().decode(child.stdout)));
`;

Deno.test({
  name: "favourThisThread() favours this thread and nothing that it starts (root)",
  ignore: Deno.uid() !== 0,
  async fn() {
    selfCgroup();
    const result = await programs.run(Deno.execPath(), ["eval", "--quiet", code], {
      env: { HOME: Deno.env.get("HOME")!, PATH: "/usr/bin:/bin" },
    });
    assertEquals([new TextDecoder().decode(result.stdout).trim(), new TextDecoder().decode(result.stderr)], [
      "-20 0",
      "",
    ]);
  },
});

Deno.test("makePatient() makes a process nice, and whoever wakes up interrupts it", async () => {
  const child = programs.spawn("/bin/sleep", ["60"], { env: {}, fds: {} });
  kernel.makePatient(child.pid, 5);
  const stat = kernel.readText(`/proc/${child.pid}/stat`);
  assertEquals(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[16], "5");
  // Kernels before 6.12 have no slice of a process's own; some show nothing.
  const slice = /^se\.slice *: *(\d+)$/m.exec(await Deno.readTextFile(`/proc/${child.pid}/sched`).catch(() => ""));
  if (slice && isFrom(6, 12)) assertEquals(slice[1], "4000000");
  child.kill(SIGKILL);
  await child.status;
  assertThrows(() => kernel.makePatient(child.pid, 5), Errno);
});

function isFrom(major: number, minor: number): boolean {
  const [a, b] = Deno.osRelease().split(".").map(Number);
  return a > major || a === major && b >= minor;
}
