import { FileOutput } from "../../../src/images/layer/file_output.ts";
import { LayerWriter, type WrittenLayer } from "../../../src/images/layer/layer_writer.ts";
import { kernel, MNT_DETACH, MS_RDONLY } from "../../../src/sys/mod.ts";

export const LIMITS = { entries: 100_000, inflatedBytes: 1 << 30 };

/** Turns a tar into an image file as the parser does; `step` is how much of it comes at a time. */
export async function writeLayer(
  tar: Uint8Array,
  path: string,
  limits = LIMITS,
  step = 1 << 18,
): Promise<WrittenLayer> {
  using file = await Deno.open(path, { read: true, write: true, create: true, truncate: true });
  const writer = new LayerWriter(new FileOutput(file), limits);
  for (let at = 0; at < tar.length; at += step) await writer.write(tar.slice(at, at + step));
  const written = await writer.end();
  await file.truncate(written.length);
  return written;
}

export interface MountedLayer extends AsyncDisposable {
  /** Holds `image.erofs` and whatever a test puts there. */
  folder: string;
  /** Where the layer is mounted. */
  root: string;
  written: WrittenLayer;
}

export async function mountLayer(tar: Uint8Array, step?: number): Promise<MountedLayer> {
  const folder = await Deno.makeTempDir({ prefix: "skiff-erofs-" });
  const written = await writeLayer(tar, `${folder}/image.erofs`, LIMITS, step);
  const root = `${folder}/mounted`;
  await Deno.mkdir(root);
  kernel.mount(`${folder}/image.erofs`, root, "erofs", MS_RDONLY);
  return {
    folder,
    root,
    written,
    [Symbol.asyncDispose]: async () => {
      await kernel.umount(root, MNT_DETACH);
      await kernel.removeTree(folder);
    },
  };
}

/** Every file below a folder, one line each: all that an archive can say about it, and the digest of its content. */
export async function describeTree(root: string): Promise<string[]> {
  const script =
    `cd "$1" && find . -printf '%p|%y|%m|%U|%G|%T@|%n|%l|' \\( -type f -printf '%s|' -exec sha256sum {} \\; \\) -o -printf '\\n'`;
  const { stdout } = await new Deno.Command("/bin/sh", { args: ["-c", script, "sh", root], env: { LC_ALL: "C" } })
    .output();
  return new TextDecoder().decode(stdout).split("\n").map((line) => line.replace(/\|([0-9a-f]{64}) .*$/, "|$1")).sort();
}

export async function run(program: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, { args, env: { LC_ALL: "C.UTF-8" } }).output();
  if (!success) throw new Error(`${program} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}
