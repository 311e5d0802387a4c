import { assert, assertEquals } from "@std/assert";

async function importsOf(file: string): Promise<string[]> {
  const entry = new URL(`../../../src/images/${file}`, import.meta.url).pathname;
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json", entry] }).output();
  const { modules } = JSON.parse(new TextDecoder().decode(stdout)) as { modules: { specifier: string }[] };
  return modules.map(({ specifier }) => specifier);
}

Deno.test("parse_child.ts imports nothing of src/sys: a libc that is loaded stays usable whatever is given up", async () => {
  const modules = await importsOf("parse_child.ts");
  assert(
    modules.some((specifier) => specifier.endsWith("/erofs/image.ts")),
    "the list of imports is not that of the parser",
  );
  assertEquals(modules.filter((specifier) => specifier.includes("/src/sys/")), []);
  assertEquals(modules.filter((specifier) => specifier.startsWith("npm:") || specifier.includes("node_modules")), []);
});
