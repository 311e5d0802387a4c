import { Command } from "commander";
import type { ImageName } from "../../../proto/gen/skiff/v1/admin.ts";
import { type DaemonOptions, withDaemon, withDaemonOptions } from "../client.ts";
import { oneLine, printJson } from "../print.ts";
import type { Terminal } from "../terminal.ts";

interface Options extends DaemonOptions {
  namespace?: string;
}

/** `skiff image resolve` */
export function resolveCommand(terminal: Terminal): Command {
  return withDaemonOptions(new Command("resolve"))
    .summary("say where an image would be pulled from, and why")
    .description(
      "Prints the whole names that a name stands for, and for each the mirrors and the registry in the order in which they would be " +
        "tried, with the rule, the credentials and the certificates that count. Asks no registry.",
    )
    .argument("<IMAGE>", "name, with a tag, a digest, or both")
    .option("-n, --namespace <NAME>", "As for a pod of this namespace.")
    .addHelpText(
      "after",
      `
Examples:
  skiff image resolve busybox
  skiff image resolve -n team registry.example.com/app:1.2
`,
    )
    .action((image: string, options: Options) => resolveImage(terminal, image, options));
}

async function resolveImage(terminal: Terminal, image: string, options: Options): Promise<void> {
  const { names } = await withDaemon(
    options,
    ({ admin }) => admin.resolveImage({ image, namespace: options.namespace ?? "" }),
  );
  if (options.json) return printJson(terminal, names);
  for (const name of names) terminal.out(textOf(name));
}

function textOf({ name, why, refused, endpoints }: ImageName): string {
  const lines = [`${name}  (${why})`];
  if (refused !== "") lines.push(`  not tried: ${refused}`);
  for (const [index, endpoint] of endpoints.entries()) {
    lines.push(`  ${index + 1}. ${endpoint.url}  ${endpoint.image}`);
    lines.push(`     rule: ${endpoint.why}`);
    lines.push(`     credentials: ${endpoint.credentials}`);
    if (endpoint.certificates.length > 0) lines.push(`     certificates: ${endpoint.certificates.join(", ")}`);
  }
  return lines.map((line) => `${oneLine(line)}\n`).join("");
}
