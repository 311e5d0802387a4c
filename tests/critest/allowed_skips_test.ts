import { assertEquals } from "@std/assert";
import { unexpectedSkips } from "./allowed_skips.ts";
import type { Spec } from "./junit.ts";

const skipped = (name: string): Spec => ({ name, outcome: "skipped", reason: "", seconds: 0 });

Deno.test("unexpectedSkips() names a skip that has no place in the list", () => {
  const specs = [skipped("AppArmor should work"), skipped("Networking should work")];
  assertEquals(unexpectedSkips(specs, "runc", false).map(({ name }) => name), ["Networking should work"]);
});

Deno.test("unexpectedSkips() allows no more of a kind than there are known", () => {
  const specs = Array.from({ length: 11 }, (_, number) => skipped(`AppArmor ${number}`));
  assertEquals(unexpectedSkips(specs, "runc", false).map(({ name }) => name), ["AppArmor 9", "AppArmor 10"]);
});
