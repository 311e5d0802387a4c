import { Command } from "commander";
import type { Terminal } from "../terminal.ts";
import { inspectCommand } from "./inspect.ts";
import { listCommand } from "./list.ts";

/** `skiff pod` */
export function command(terminal: Terminal): Command {
  return new Command("pod")
    .summary("list and inspect pods")
    .description("Pod sandboxes. Pods are made and removed by the kubelet, or by a CRI client such as crictl.")
    .addCommand(listCommand(terminal))
    .addCommand(inspectCommand(terminal));
}
