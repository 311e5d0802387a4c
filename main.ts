import { commands, hiddenCommands } from "./src/cli/commands.ts";

const [word = "--help", ...rest] = Deno.args;
// First of all: the process may begin again here, and what was loaded until then was loaded for nothing.
if (word === "serve") (await import("./src/cli/event_interval.ts")).lookAtSocketsOften();
const hidden = hiddenCommands[word];
if (hidden) Deno.exit(await (await hidden()).main(rest));
const { runCommand } = await import("./src/cli/run.ts");
Deno.exit(await runCommand(commands[word], Deno.args));
