import { Command, InvalidArgumentError } from "commander";
import { type DaemonOptions, withDaemon, withDaemonOptions } from "../client.ts";
import { humanSize, shortId } from "../format.ts";
import { oneLine, printJson } from "../print.ts";
import type { Terminal } from "../terminal.ts";

interface Options extends DaemonOptions {
  dryRun?: boolean;
  olderThan?: number;
  explain?: boolean;
}

/** `skiff image prune` */
export function pruneCommand(terminal: Terminal): Command {
  return withDaemonOptions(new Command("prune"))
    .summary("remove the images that no container uses")
    .description(
      "Removes images that no container uses and nobody has pinned, and the layers that no image needs any more. The " +
        "kubelet does the same when its disk fills up.",
    )
    .option("--dry-run", "Only say what would go, and what it would free.")
    .option("--older-than <SECONDS>", "Leave images that were pulled less than this long ago.", seconds)
    .option("--explain", "Also say what keeps the other images.")
    .action((options: Options) => pruneImages(terminal, options));
}

async function pruneImages(terminal: Terminal, options: Options): Promise<void> {
  const request = { dryRun: options.dryRun ?? false, unusedSeconds: BigInt(options.olderThan ?? 0) };
  const result = await withDaemon(options, ({ admin }) => admin.pruneImages(request));
  if (options.json) return printJson(terminal, result);
  const { images, bytesFreed, kept } = result;
  for (const { id, names } of images) terminal.out(`${shortId(id)}  ${oneLine(names.join(", "))}\n`);
  for (const { id, names, reason } of options.explain ? kept : []) {
    terminal.out(oneLine(`${shortId(id)}  ${names.join(", ")}: stays: ${reason}`) + "\n");
  }
  const done = request.dryRun ? "would be removed" : "removed";
  terminal.out(`${images.length} images ${done}, ${humanSize(bytesFreed)}\n`);
}

function seconds(text: string): number {
  if (/^[0-9]{1,10}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("It is a whole number of seconds.");
}
