import { assertEquals } from "@std/assert";
import { builds, daemonBreakages } from "./broken_daemon.ts";

Deno.test("every breakage of the daemon finds, once, what it changes, and is built", async () => {
  const built = builds.flat();
  assertEquals(built.toSorted(), Object.keys(daemonBreakages).toSorted());
  for (const { file, from } of Object.values(daemonBreakages).flat()) {
    const source = await Deno.readTextFile(new URL(`../../src/${file}`, import.meta.url));
    assertEquals([file, from, source.split(from).length - 1], [file, from, 1]);
  }
});
