import { commands, hiddenCommands } from "./src/cli/commands.ts";

const [word = "--help", ...rest] = Deno.args;
const hidden = hiddenCommands[word];
if (hidden) Deno.exit(await (await hidden()).main(rest));
const { runCommand } = await import("./src/cli/run.ts");
Deno.exit(await runCommand(commands[word], Deno.args));
