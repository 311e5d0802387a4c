import { Command } from "commander";
import type { ImportedImage } from "../../../proto/gen/skiff/v1/admin.ts";
import { type DaemonOptions, withDaemon, withDaemonOptions } from "../client.ts";
import { Exit, EXIT_USAGE } from "../exit.ts";
import { humanSize, shortId } from "../format.ts";
import { printJson } from "../print.ts";
import type { Terminal } from "../terminal.ts";

interface Options extends DaemonOptions {
  name?: string;
}

/** `skiff image import` */
export function importCommand(terminal: Terminal): Command {
  return withDaemonOptions(new Command("import"))
    .summary("import images from an OCI layout on this node")
    .description(
      "Imports every image of an OCI image layout: a folder with index.json and blobs, as `skopeo copy docker://… oci:DIR` writes it.",
    )
    .argument(
      "<DIR>",
      "absolute path of the folder; the daemon reads it, and may read below /var/lib/skiff and /run/skiff",
    )
    .option("--name <NAME>", "Name for the image, instead of the names in the layout.")
    .addHelpText(
      "after",
      `
Examples:
  skopeo copy docker://busybox:latest oci:/var/lib/skiff/in/busybox:latest
  skiff image import /var/lib/skiff/in/busybox --name docker.io/library/busybox:latest
`,
    )
    .action((dir: string, options: Options) => importLayout(terminal, dir, options));
}

async function importLayout(terminal: Terminal, path: string, options: Options): Promise<void> {
  if (!path.startsWith("/")) {
    throw new Exit(EXIT_USAGE, `"${path}" is not an absolute path; the daemon has another working folder`);
  }
  let imported: ImportedImage[] = [];
  await withDaemon(options, async ({ admin }) => {
    for await (const { step, images } of admin.importImage({ path, name: options.name ?? "" })) {
      if (step !== "" && !options.json) terminal.err(`${step}\n`);
      if (images.length > 0) imported = images;
    }
  });
  if (options.json) return printJson(terminal, imported);
  for (const { id, names, size } of imported) terminal.out(`${shortId(id)}  ${humanSize(size)}  ${names.join(", ")}\n`);
}
