import { Command } from "commander";
import { type DaemonOptions, withDaemon, withDaemonOptions } from "./client.ts";
import { Exit, EXIT_FAILURE } from "./exit.ts";
import { humanSize } from "./format.ts";
import { oneLine, printJson } from "./print.ts";
import type { Terminal } from "./terminal.ts";

interface Options extends DaemonOptions {
  deep?: boolean;
  repair?: boolean;
}

/** `skiff check` */
export function command(terminal: Terminal): Command {
  return withDaemonOptions(new Command("check"))
    .summary("is the image store sound; mend it")
    .description(
      "Compares the image store with its rows: layers whose file is gone or cut, layers and files that nothing needs, " +
        "images that lack a layer. Nothing that is sound or used is ever removed. Exit code 1 if something is left to do.",
    )
    .option("--deep", "Compute the digest of every layer, and compare unpacked ones, too; reads the whole store.")
    .option("--repair", "Mend what is found: drop what is broken, so that it is pulled again, and what nothing needs.")
    .action((options: Options) => checkImages(terminal, options));
}

async function checkImages(terminal: Terminal, options: Options): Promise<void> {
  const { deep = false, repair = false } = options;
  const result = await withDaemon(options, ({ admin }) => admin.checkImages({ deep, repair }));
  const { images, layers, bytes, problems } = result;
  if (options.json) {
    printJson(terminal, result);
  } else {
    for (const { subject, problem, remedy, repaired } of problems) {
      terminal.out(oneLine(`${subject}: ${problem}; ${repaired ? "done" : "to do"}: ${remedy}`) + "\n");
    }
    const found = problems.length === 0 ? "no problems" : `${problems.length} problems`;
    terminal.out(`${images} images, ${layers} layers, ${humanSize(bytes)}: ${found}\n`);
  }
  if (problems.some(({ repaired }) => !repaired)) throw new Exit(EXIT_FAILURE);
}
