/** An image of one big static program on top of busybox, kept outside the checkout until the program changes. */
import { gzipSync } from "node:zlib";
import { exists, tools } from "../support/tools.ts";
import { busyboxLayer, path } from "./busybox.ts";
import { blobOf, digestOf, type Image, image, type Layer, layer } from "./image.ts";
import { tar } from "./tar.ts";

/** The program is `/NAME` in there, and the entry point. */
export async function programImage(name: string, program: string): Promise<Image> {
  const { size, mtime } = await Deno.stat(program);
  const folder = `${tools.images}/program-${name}-${size}-${mtime?.getTime()}`;
  if (!exists(`${folder}/layer.json`)) await pack(name, program, folder);
  const top: Layer = JSON.parse(await Deno.readTextFile(`${folder}/layer.json`));
  return image([layer(busyboxLayer()), top], { Env: [path], Entrypoint: [`/${name}`] });
}

async function pack(name: string, program: string, folder: string): Promise<void> {
  await Deno.mkdir(tools.images, { recursive: true });
  for (const old of Deno.readDirSync(tools.images)) {
    if (old.name.startsWith(`program-${name}-`)) await Deno.remove(`${tools.images}/${old.name}`, { recursive: true });
  }
  await Deno.mkdir(folder);
  const raw = tar([{ path: name, mode: 0o755, data: await Deno.readFile(program) }]);
  const packed = gzipSync(raw, { level: 1 });
  await Deno.writeFile(`${folder}/layer.tar.gz`, packed);
  const made: Layer = {
    digest: blobOf(packed).digest,
    size: packed.length,
    content: { file: `${folder}/layer.tar.gz` },
    diffId: digestOf(raw),
    mediaType: "application/vnd.oci.image.layer.v1.tar+gzip",
  };
  await Deno.writeTextFile(`${folder}/layer.new`, JSON.stringify(made));
  await Deno.rename(`${folder}/layer.new`, `${folder}/layer.json`);
}
