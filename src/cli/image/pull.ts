import { Command } from "commander";
import { type DaemonOptions, withDaemon, withDaemonOptions } from "../client.ts";
import { Exit, EXIT_FAILURE, EXIT_USAGE } from "../exit.ts";
import { printJson } from "../print.ts";
import type { Terminal } from "../terminal.ts";
import { PullDisplay } from "./pull_display.ts";

interface Options extends DaemonOptions {
  username?: string;
  passwordStdin?: boolean;
  quiet?: boolean;
}

/** A password is one line; anything longer is a mistake. */
const PASSWORD_LIMIT = 64 * 1024;

/** `skiff image pull` */
export function pullCommand(terminal: Terminal): Command {
  return withDaemonOptions(new Command("pull"))
    .summary("pull an image from a registry")
    .description("Pulls an image and shows how far it is. Prints the image's ID at the end.")
    .argument("<IMAGE>", "name, with a tag, a digest, or both")
    .option("-u, --username <NAME>", "User at the registry.")
    .option(
      "--password-stdin",
      "Read the password from standard input: not an argument, which every user of the node could see.",
    )
    .option("-q, --quiet", "Print the ID only.")
    .addHelpText(
      "after",
      `
Examples:
  skiff image pull busybox
  skiff image pull registry.example.com/team/app@sha256:…
  skiff image pull -u robot --password-stdin registry.example.com/app:1.2 < /run/secrets/robot
`,
    )
    .action((image: string, options: Options) => pullImage(terminal, image, options));
}

async function pullImage(terminal: Terminal, image: string, options: Options): Promise<void> {
  if ((options.username === undefined) !== (options.passwordStdin === undefined)) {
    throw new Exit(EXIT_USAGE, "--username and --password-stdin go together");
  }
  const password = options.passwordStdin ? await readPassword() : "";
  const display = options.quiet || options.json ? undefined : new PullDisplay(terminal, image);
  let imageId = "";
  try {
    await withDaemon(options, async ({ admin }) => {
      for await (const progress of admin.pullImageProgress({ image, username: options.username ?? "", password })) {
        display?.show(progress);
        imageId = progress.imageId || imageId;
      }
    });
  } finally {
    display?.end();
  }
  if (imageId === "") throw new Exit(EXIT_FAILURE, `the daemon ended the pull of ${image} without an image ID`);
  if (options.json) printJson(terminal, { imageId });
  else terminal.out(`${imageId}\n`);
}

async function readPassword(): Promise<string> {
  let text = "";
  for await (const chunk of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (text.length > PASSWORD_LIMIT) throw new Exit(EXIT_USAGE, "the password on standard input is too long");
  }
  return text.replace(/\r?\n$/, "");
}
