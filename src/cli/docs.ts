import type { Command } from "commander";
import { wholeTree } from "./run.ts";
import type { Terminal } from "./terminal.ts";

const WIDTH = 100;

/** docs/commands.md: the help of every command, as `--help` prints it. */
export async function commandDocs(): Promise<string> {
  let text = "";
  const terminal: Terminal = { isTty: false, columns: WIDTH, out: (more) => text += more, err: () => {} };
  const write = (command: Command, path: string) => {
    text += `\n## \`${path}\`\n\n\`\`\`\n`;
    command.outputHelp();
    text = `${text.trimEnd()}\n\`\`\`\n`;
    for (const child of command.commands) write(child, `${path} ${child.name()}`);
  };
  write(await wholeTree(terminal), "skiff");
  return `# Commands\n\nThe help of every command, as \`--help\` prints it.\n${text}`;
}
