import { Command } from "commander";
import { type DaemonOptions, withDaemon, withDaemonOptions } from "../client.ts";
import { Exit, EXIT_FAILURE } from "../exit.ts";
import { parseInfo, printJson } from "../print.ts";
import type { Terminal } from "../terminal.ts";
import { imageSpec } from "./spec.ts";

/** `skiff image inspect` */
export function inspectCommand(terminal: Terminal): Command {
  return withDaemonOptions(new Command("inspect"))
    .summary("everything about an image, as JSON")
    .description("Prints the image's names, size and configuration, as JSON.")
    .argument("<IMAGE>", "name, ID, or beginning of an ID")
    .action((image: string, options: DaemonOptions) => inspectImage(terminal, image, options));
}

async function inspectImage(terminal: Terminal, name: string, options: DaemonOptions): Promise<void> {
  const { image, info } = await withDaemon(
    options,
    ({ images }) => images.imageStatus({ image: imageSpec(name), verbose: true }),
  );
  if (!image) throw new Exit(EXIT_FAILURE, `there is no image "${name}" on this node`);
  printJson(terminal, { ...image, info: parseInfo(info) });
}
