import { Command } from "commander";
import { messageOf } from "../../rpc/status.ts";
import { type DaemonOptions, withDaemon, withDaemonOptions } from "../client.ts";
import { Exit, EXIT_FAILURE } from "../exit.ts";
import { printJson } from "../print.ts";
import type { Terminal } from "../terminal.ts";
import { imageSpec } from "./spec.ts";

/** `skiff image rm` */
export function removeCommand(terminal: Terminal): Command {
  return withDaemonOptions(new Command("rm"))
    .summary("remove images")
    .description(
      "Removes images with all their names. One that a container uses stays, and is named; the others still go.",
    )
    .argument("<IMAGE...>", "names, IDs, or beginnings of IDs")
    .action((names: string[], options: DaemonOptions) => removeImages(terminal, names, options));
}

async function removeImages(terminal: Terminal, names: string[], options: DaemonOptions): Promise<void> {
  const removed: string[] = [];
  const failed: string[] = [];
  await withDaemon(options, async ({ images }) => {
    for (const name of names) {
      const { image } = await images.imageStatus({ image: imageSpec(name), verbose: false });
      if (!image) {
        failed.push(`${name}: there is no such image on this node`);
        continue;
      }
      try {
        await images.removeImage({ image: imageSpec(image.id) });
        removed.push(image.id);
        if (!options.json) terminal.out(`${image.id}\n`);
      } catch (error) {
        failed.push(`${name}: ${messageOf(error)}`);
      }
    }
  });
  if (options.json) printJson(terminal, { removed, failed });
  if (failed.length > 0) throw new Exit(EXIT_FAILURE, failed.join("\nskiff: "));
}
