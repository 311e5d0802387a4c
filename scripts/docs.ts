/** Writes docs/config.md and docs/commands.md from the schema and from the commands' own help. `deno task docs` */
import { commandDocs } from "../src/cli/docs.ts";
import { configDocs } from "../src/config/mod.ts";

const docs = new URL("../docs/", import.meta.url);
await Deno.writeTextFile(new URL("config.md", docs), configDocs());
await Deno.writeTextFile(new URL("commands.md", docs), await commandDocs());
