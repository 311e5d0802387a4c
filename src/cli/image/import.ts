import { Command } from "commander";
import type { ImportedImage } from "../../../proto/gen/skiff/v1/admin.ts";
import { type DaemonOptions, withDaemon, withDaemonOptions } from "../client.ts";
import { messageOf } from "../../rpc/status.ts";
import { Exit, EXIT_FAILURE, EXIT_USAGE } from "../exit.ts";
import { humanSize, shortId } from "../format.ts";
import { printJson } from "../print.ts";
import type { Terminal } from "../terminal.ts";

interface Options extends DaemonOptions {
  name?: string;
}

/** Where the daemon keeps what lasts: there is room for images. */
const SPOOL = "/var/lib/skiff";

/** `skiff image import` */
export function importCommand(terminal: Terminal): Command {
  return withDaemonOptions(new Command("import"))
    .summary("import images from a folder, a tar, or standard input")
    .description(
      "Imports every image of an OCI image layout, a folder or a tar of one, or of a tar that `docker save` has written. " +
        "Images that are imported have no signatures: a policy that asks for them does not let them run.",
    )
    .argument("<PATH>", "absolute path of the folder or tar on the node, or - for a tar on standard input")
    .option("--name <NAME>", "Name for the image, instead of the names in the layout.")
    .addHelpText(
      "after",
      `
Examples:
  skopeo copy docker://busybox:latest oci:/var/lib/skiff/in/busybox:latest
  skiff image import /var/lib/skiff/in/busybox --name docker.io/library/busybox:latest
  docker save team/app:1 | skiff image import -
`,
    )
    .action((path: string, options: Options) =>
      path === "-" ? importStdin(terminal, options) : importImages(terminal, path, options)
    );
}

/** A tar is read from its end as well as from its start, so it is put on the disk first. */
async function importStdin(terminal: Terminal, options: Options): Promise<void> {
  const path = `${SPOOL}/import-${crypto.randomUUID()}.tar`;
  try {
    using file = await Deno.open(path, { write: true, createNew: true, mode: 0o600 });
    await Deno.stdin.readable.pipeTo(file.writable, { preventClose: true });
  } catch (error) {
    await Deno.remove(path).catch(() => {});
    throw new Exit(EXIT_FAILURE, `cannot keep what is on standard input in ${path}: ${messageOf(error)}`);
  }
  try {
    await importImages(terminal, path, options);
  } finally {
    await Deno.remove(path);
  }
}

async function importImages(terminal: Terminal, path: string, options: Options): Promise<void> {
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
