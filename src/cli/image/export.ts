import { Command } from "commander";
import { type DaemonOptions, withDaemon, withDaemonOptions } from "../client.ts";
import { Exit, EXIT_USAGE } from "../exit.ts";
import { humanSize, shortId } from "../format.ts";
import { printJson } from "../print.ts";
import type { AsyncFd } from "../../sys/programs.ts";
import type { Terminal } from "../terminal.ts";
import type { ExportImagesResponse } from "../../../proto/gen/skiff/v1/admin.ts";

interface Options extends DaemonOptions {
  output?: string;
  folder?: string;
}

/** `skiff image export` */
export function exportCommand(terminal: Terminal): Command {
  return withDaemonOptions(new Command("export"))
    .summary("write images to a tar, or to a folder")
    .description(
      "Writes images as an OCI image layout, in a tar that `docker load` and `ctr image import` take, too, or in a " +
        "folder. Layers are written as plain tars under their diff IDs: images keep their IDs, but not the digests of " +
        "their manifests. The daemon writes the file: its path is one on the node.",
    )
    .argument("<IMAGE...>", "names or IDs of images on this node")
    .option("-o, --output <FILE>", "Absolute path of a file that is not there yet, or - for standard output.")
    .option("--folder <DIR>", "Absolute path of a folder that is not there yet, instead of a tar.")
    .addHelpText(
      "after",
      `
Examples:
  skiff image export busybox -o /root/busybox.tar
  skiff image export -o - busybox alpine | ssh node2 skiff image import -
  skiff image export --folder /var/lib/skiff/out/busybox busybox
`,
    )
    .action((names: string[], options: Options) => exportImages(terminal, names, options));
}

async function exportImages(terminal: Terminal, images: string[], options: Options): Promise<void> {
  const { output, folder } = options;
  if ((output === undefined) === (folder === undefined)) {
    throw new Exit(EXIT_USAGE, "one of --output and --folder must be there");
  }
  const path = (output ?? folder)!;
  if (path === "-") {
    if (options.json) throw new Exit(EXIT_USAGE, "--json and --output - cannot go together");
    return await exportToStdout(images, options);
  }
  if (!path.startsWith("/")) {
    throw new Exit(EXIT_USAGE, `"${path}" is not an absolute path; the daemon has another working folder`);
  }
  const done = await exportTo(images, path, folder !== undefined, options);
  if (options.json) return printJson(terminal, done.images);
  for (const { id, names } of done.images) terminal.out(`${shortId(id)}  ${names.join(", ")}\n`);
  terminal.err(`${humanSize(done.bytesDone)} of layers written to ${path}\n`);
}

async function exportTo(
  images: string[],
  path: string,
  folder: boolean,
  options: DaemonOptions,
  onStart = () => {},
): Promise<ExportImagesResponse> {
  return await withDaemon(options, async ({ admin }) => {
    let last: ExportImagesResponse | undefined;
    for await (const response of admin.exportImages({ images, path, folder })) {
      if (last === undefined) onStart();
      last = response;
    }
    return last!;
  });
}

/** The daemon's child writes into a fifo of ours: the bytes go through neither the daemon nor its socket. */
async function exportToStdout(images: string[], options: DaemonOptions): Promise<void> {
  const { asyncFd, kernel, O_NONBLOCK, O_RDONLY } = await import("../../sys/mod.ts");
  const fifo = `/run/skiff/export-${crypto.randomUUID()}`;
  kernel.mkfifo(fifo, 0o600);
  const source = asyncFd(kernel.open(fifo, O_RDONLY | O_NONBLOCK));
  try {
    let copied = Promise.resolve();
    await exportTo(images, fifo, false, options, () => {
      copied = copy(source);
      copied.catch(() => {});
    });
    await copied;
  } finally {
    source.close();
    kernel.unlinkIfExists(fifo);
  }
}

async function copy(source: AsyncFd): Promise<void> {
  const buffer = new Uint8Array(1 << 18);
  for (let count = await source.read(buffer); count !== null; count = await source.read(buffer)) {
    for (let done = 0; done < count;) done += await Deno.stdout.write(buffer.subarray(done, count));
  }
}
