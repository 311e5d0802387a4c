/** The small static programs that the stand-in images carry, compiled once and kept outside the checkout by their content. */
import { createHash } from "node:crypto";
import { run } from "../../support/command.ts";
import { exists, tools } from "../../support/tools.ts";

const names = ["effective_uid", "ipcs", "pgrep", "sh", "web_server"] as const;
const compiler = "gcc";
const flags = ["-static", "-Os", "-s", "-Wall", "-Werror"];

export type Programs = Record<typeof names[number], Uint8Array>;

export async function programs(): Promise<Programs> {
  const folder = `${tools.images}/critest-programs-${version()}`;
  if (!exists(folder)) await compileInto(folder);
  const read = async (name: string) => [name, await Deno.readFile(`${folder}/${name}`)];
  return Object.fromEntries(await Promise.all(names.map(read)));
}

function version(): string {
  const hash = createHash("sha256").update(flags.join(" "));
  for (const name of names) hash.update(Deno.readFileSync(source(name)));
  return hash.digest("hex").slice(0, 16);
}

async function compileInto(folder: string): Promise<void> {
  await Deno.mkdir(tools.images, { recursive: true });
  for (const old of Deno.readDirSync(tools.images)) {
    if (old.name.startsWith("critest-programs-")) {
      await Deno.remove(`${tools.images}/${old.name}`, { recursive: true });
    }
  }
  const half = await Deno.makeTempDir({ dir: tools.images, prefix: ".compiling-" });
  try {
    for (const name of names) await run(compiler, [...flags, "-o", `${half}/${name}`, source(name)]);
    await Deno.rename(half, folder);
  } catch (error) {
    await Deno.remove(half, { recursive: true });
    throw error;
  }
}

const source = (name: string) => new URL(`programs/${name}.c`, import.meta.url).pathname;
