import { assertEquals } from "@std/assert";
import { programs, selfCgroup } from "../real_kernel.ts";

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
