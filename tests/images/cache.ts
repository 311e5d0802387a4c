/** The big images, kept outside the checkout between runs under a name that changes with what makes them. */
import { createHash } from "node:crypto";
import { type BenchImage, benchImages } from "./bench_images.ts";
import { bulk } from "./bulk.ts";
import { busybox, configured } from "./busybox.ts";
import type { Image } from "./image.ts";
import { exists, tools } from "../support/tools.ts";

function version(name: BenchImage): string {
  const hash = createHash("sha256").update(name);
  for (const file of ["tar.ts", "image.ts", "busybox.ts", "bulk.ts", "bench_images.ts"]) {
    hash.update(Deno.readFileSync(new URL(file, import.meta.url)));
  }
  hash.update(Deno.readFileSync(tools.busybox));
  return hash.digest("hex").slice(0, 16);
}

/** Reads the image from the cache, or makes it there. */
export async function benchImage(name: BenchImage): Promise<Image> {
  const folder = `${tools.images}/bench-${name}-${version(name)}`;
  const description = `${folder}/image.json`;
  if (!exists(description)) {
    await Deno.mkdir(tools.images, { recursive: true });
    for (const old of Deno.readDirSync(tools.images)) {
      if (old.name.startsWith(`bench-${name}-`)) {
        await Deno.remove(`${tools.images}/${old.name}`, { recursive: true });
      }
    }
    await Deno.mkdir(folder, { recursive: true });
    const made = await bulk(folder, benchImages[name]);
    const inText = {
      ...made,
      config: { ...made.config, content: decode(made.config.content) },
      manifest: { ...made.manifest, content: decode(made.manifest.content) },
    };
    await Deno.writeTextFile(`${description}.new`, JSON.stringify(inText));
    await Deno.rename(`${description}.new`, description);
  }
  const kept = JSON.parse(await Deno.readTextFile(description));
  kept.config.content = new TextEncoder().encode(kept.config.content);
  kept.manifest.content = new TextEncoder().encode(kept.manifest.content);
  return kept;
}

const decode = (content: unknown) => new TextDecoder().decode(content as Uint8Array);

/** What every test node's registry serves: repository, tag, image. */
export function smallImages(): { repository: string; tag: string; image: Image }[] {
  return [
    { repository: "test/busybox", tag: "1", image: busybox() },
    { repository: "test/busybox", tag: "2", image: busybox({ Env: ["PATH=/bin", "TWO=2"] }) },
    { repository: "library/busybox", tag: "latest", image: busybox() },
    { repository: "test/configured", tag: "1", image: configured() },
    { repository: "test/uid", tag: "1", image: busybox({ User: "1002" }) },
    { repository: "test/uid-gid", tag: "1", image: busybox({ User: "1003:1004" }) },
    { repository: "test/username", tag: "1", image: busybox({ User: "www-data" }) },
  ];
}
