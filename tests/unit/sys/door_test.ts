import { assertEquals } from "@std/assert";
import { programs } from "../real_kernel.ts";

const source = new URL("../../../src/", import.meta.url).pathname;

function* sourceFiles(folder: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    if (isDirectory) yield* sourceFiles(`${folder}${name}/`);
    else if (name.endsWith(".ts")) yield `${folder}${name}`;
  }
}

Deno.test("only src/sys calls libc, and only by posix_spawn are programs started", () => {
  const offenders: string[] = [];
  for (const file of sourceFiles(source)) {
    const text = Deno.readTextFileSync(file);
    const path = file.slice(source.length);
    if (/Deno\.Command|child_process/.test(text)) offenders.push(`${path} starts programs`);
    if (!path.startsWith("sys/") && /Deno\.(dlopen|Unsafe)/.test(text)) offenders.push(`${path} calls libc`);
    // Replacing the process comes before anything else is loaded.
    const loaders = ["sys/libc_symbols.ts", "sys/replace_process.ts"];
    if (path.startsWith("sys/") && /Deno\.dlopen/.test(text) && !loaders.includes(path)) {
      offenders.push(`${path} loads a library`);
    }
  }
  assertEquals(offenders, []);
});

Deno.test("src/sys is entered by its door only", () => {
  const offenders: string[] = [];
  for (const file of sourceFiles(source)) {
    const path = file.slice(source.length);
    if (path.startsWith("sys/")) continue;
    for (const [, imported] of Deno.readTextFileSync(file).matchAll(/from "(?:\.\.?\/)+sys\/([^"]+)"/g)) {
      if (!["mod.ts", "kernel.ts", "programs.ts", "replace_process.ts"].includes(imported)) {
        offenders.push(`${path} imports sys/${imported}`);
      }
    }
  }
  assertEquals(offenders, []);
});

Deno.test("importing src/sys does not load libc: it works without the permission to", async () => {
  const script = `
    import { kernel } from ${JSON.stringify(`${source}sys/mod.ts`)};
    console.log("imported");
    try { kernel.getpid(); } catch (error) { console.log(error.name); }`;
  const args = [
    "run",
    "--no-prompt",
    "--no-check",
    "--no-config",
    `data:text/javascript,${encodeURIComponent(script.replaceAll(source, `file://${source}`))}`,
  ];
  const cache = Deno.makeTempDirSync();
  const { stdout, stderr } = await programs.run(Deno.execPath(), args, {
    env: { HOME: "/tmp", DENO_DIR: cache },
    timeout: 20_000,
  });
  assertEquals(new TextDecoder().decode(stdout), "imported\nNotCapable\n", new TextDecoder().decode(stderr));
  Deno.removeSync(cache, { recursive: true });
});
