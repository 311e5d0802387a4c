import { Argument, Command } from "commander";
import { bashCompletion } from "./completion/bash.ts";
import { fishCompletion } from "./completion/fish.ts";
import { wordTree } from "./completion/words.ts";
import { zshCompletion } from "./completion/zsh.ts";
import { wholeTree } from "./run.ts";
import type { Terminal } from "./terminal.ts";

const SHELLS = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion };

/** `skiff completion` */
export function command(terminal: Terminal): Command {
  return new Command("completion")
    .summary("completion of commands and options for a shell")
    .description("Prints a script that teaches a shell the commands and options.")
    .addArgument(new Argument("<SHELL>", "which one").choices(Object.keys(SHELLS)))
    .addHelpText(
      "after",
      `
Examples:
  skiff completion bash > /etc/bash_completion.d/skiff
  skiff completion zsh > /usr/local/share/zsh/site-functions/_skiff
  skiff completion fish > /etc/fish/completions/skiff.fish
`,
    )
    .action(async (shell: keyof typeof SHELLS) => terminal.out(SHELLS[shell](wordTree(await wholeTree(terminal)))));
}
