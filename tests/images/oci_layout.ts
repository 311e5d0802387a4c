/** Writes an OCI image layout (https://github.com/opencontainers/image-spec/blob/main/image-layout.md) into a directory. */
import type { Blob, Image } from "./image.ts";

async function writeBlob(dir: string, blob: Blob): Promise<void> {
  const path = `${dir}/blobs/${blob.digest.replace(":", "/")}`;
  if (blob.content instanceof Uint8Array) await Deno.writeFile(path, blob.content);
  else await Deno.copyFile(blob.content.file, path);
}

/** `names` become `org.opencontainers.image.ref.name` annotations; several images may share their layers. */
export async function writeOciLayout(dir: string, images: { image: Image; name: string }[]): Promise<void> {
  await Deno.mkdir(`${dir}/blobs/sha256`, { recursive: true });
  await Deno.writeTextFile(`${dir}/oci-layout`, JSON.stringify({ imageLayoutVersion: "1.0.0" }));
  for (const { image } of images) {
    for (const blob of [...image.layers, image.config, image.manifest]) await writeBlob(dir, blob);
  }
  await Deno.writeTextFile(
    `${dir}/index.json`,
    JSON.stringify({
      schemaVersion: 2,
      mediaType: "application/vnd.oci.image.index.v1+json",
      manifests: images.map(({ image, name }) => ({
        mediaType: image.manifest.mediaType,
        digest: image.manifest.digest,
        size: image.manifest.size,
        annotations: { "org.opencontainers.image.ref.name": name },
      })),
    }),
  );
}
