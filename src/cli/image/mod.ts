import { Command } from "commander";
import type { Terminal } from "../terminal.ts";
import { exportCommand } from "./export.ts";
import { importCommand } from "./import.ts";
import { inspectCommand } from "./inspect.ts";
import { listCommand } from "./list.ts";
import { pruneCommand } from "./prune.ts";
import { pullCommand } from "./pull.ts";
import { removeCommand } from "./remove.ts";
import { resolveCommand } from "./resolve.ts";
import { verifyCommand } from "./verify.ts";

/** `skiff image` */
export function command(terminal: Terminal): Command {
  return new Command("image")
    .summary("pull, list, inspect, verify, import and remove images")
    .description(
      "Images on this node. Names are completed as everywhere: `busybox` is docker.io/library/busybox:latest.",
    )
    .addCommand(pullCommand(terminal))
    .addCommand(resolveCommand(terminal))
    .addCommand(importCommand(terminal))
    .addCommand(exportCommand(terminal))
    .addCommand(listCommand(terminal))
    .addCommand(inspectCommand(terminal))
    .addCommand(verifyCommand(terminal))
    .addCommand(removeCommand(terminal))
    .addCommand(pruneCommand(terminal));
}
