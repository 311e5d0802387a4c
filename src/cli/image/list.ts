import { Command } from "commander";
import type { Image } from "../../../proto/gen/runtime/v1/api.ts";
import { withDaemon, withDaemonOptions } from "../client.ts";
import { humanSize, shortId } from "../format.ts";
import { type ListOptions, withListOptions } from "../list_options.ts";
import { printJson, printTable } from "../print.ts";
import type { Terminal } from "../terminal.ts";

interface Options extends ListOptions {
  digests?: boolean;
}

/** `skiff image ls` */
export function listCommand(terminal: Terminal): Command {
  return withDaemonOptions(withListOptions(new Command("ls")))
    .summary("list images")
    .description(
      "Lists the images and OCI artifacts on this node, by name; one with several names has a line for each.",
    )
    .option("--digests", "Show the digest of each image's manifest.")
    .action((options: Options) => listImages(terminal, options));
}

async function listImages(terminal: Terminal, options: Options): Promise<void> {
  const { images } = await withDaemon(options, ({ images }) => images.listImages({ filter: undefined }));
  if (options.json) return printJson(terminal, images);
  if (options.quiet) return terminal.out(images.map((image) => `${image.id}\n`).join(""));
  const headings = ["image", "tag", "id", "size", "type", "pinned", ...(options.digests ? ["digest"] : [])];
  printTable(terminal, headings, images.flatMap((image) => rows(image, options)).sort((a, b) => a[0] < b[0] ? -1 : 1));
}

function rows(image: Image, options: Options): string[][] {
  const names = image.repoTags.length > 0
    ? image.repoTags.map(splitTag)
    : [[image.repoDigests[0]?.split("@")[0] ?? "<none>", "<none>"]];
  return names.map(([name, tag]) => {
    const digest = image.repoDigests.find((one) => one.startsWith(`${name}@`))?.split("@")[1] ?? "";
    const pinned = image.pinned ? "yes" : "";
    const type = image.spec?.annotations["skiff/artifact-type"] === undefined ? "image" : "artifact";
    return [
      name,
      tag,
      shortId(image.id, !options.trunc),
      humanSize(image.size),
      type,
      pinned,
      ...(options.digests ? [digest] : []),
    ];
  });
}

/** The last colon starts the tag unless a slash follows: then it belongs to a port. */
function splitTag(name: string): [string, string] {
  const colon = name.lastIndexOf(":");
  return colon > name.lastIndexOf("/") ? [name.slice(0, colon), name.slice(colon + 1)] : [name, ""];
}
