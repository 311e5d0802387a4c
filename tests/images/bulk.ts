/**
 * Large images for measuring pulls: the file sizes of a real userland (many small, few big), content that packs about
 * as well as programs and text do. Written once as files, named by content.
 */
import { Buffer } from "node:buffer";
import { createHash, type Hash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { once } from "node:events";
import { createGzip } from "node:zlib";
import { type Image, image, type Layer } from "./image.ts";
import { busyboxLayer, path } from "./busybox.ts";
import { type Entry, entryBlocks } from "./tar.ts";

/** xorshift32: the same numbers on every machine. */
function random(seed: number): () => number {
  let state = seed | 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

const poolSize = 16 << 20;

/** Words of a limited vocabulary between runs of noise: gzip brings it to about 40 %. */
function pool(seed: number): Buffer {
  const next = random(seed);
  const words = Array.from(
    { length: 512 },
    () =>
      Array.from({ length: 3 + Math.floor(next() * 9) }, () => String.fromCharCode(97 + Math.floor(next() * 26))).join(
        "",
      ),
  );
  const bytes = Buffer.alloc(poolSize);
  let at = 0;
  while (at < poolSize - 64) {
    if (next() < 0.01) {
      const end = Math.min(poolSize - 64, at + 48 + Math.floor(next() * 200));
      while (at < end) bytes[at++] = Math.floor(next() * 256);
    } else {
      at += bytes.write(words[Math.floor(next() * words.length)] + " ", at, "latin1");
    }
  }
  return bytes;
}

/** Files of `total` bytes together: sizes spread like a userland's, half of them under 4 KB, a few of many megabytes. */
function* files(name: string, total: number, seed: number): Generator<Entry> {
  const next = random(seed);
  const source = pool(seed + 1);
  yield { path: name, type: "5" };
  let written = 0;
  for (let number = 0; written < total; number++) {
    const spread = Math.exp((next() + next() + next() - 1.5) * 6);
    const size = Math.min(Math.floor(4000 * spread * (next() < 0.01 ? 100 : 1)), 12 << 20, total - written);
    const dir = `${name}/${Math.floor(number / 24)}`;
    if (number % 24 === 0) yield { path: dir, type: "5" };
    const from = Math.floor(next() * (poolSize - size - 1));
    yield {
      path: `${dir}/file-${number}`,
      mode: next() < 0.1 ? 0o755 : 0o644,
      data: source.subarray(from, from + size),
    };
    written += size + 512;
  }
}

async function writeLayer(dir: string, entries: Iterable<Entry>): Promise<Layer> {
  const raw = createHash("sha256");
  const packed = createHash("sha256");
  const temporary = `${dir}/.writing-${crypto.randomUUID()}`;
  const out = createWriteStream(temporary);
  const gzip = createGzip({ level: 6 });
  let size = 0;
  gzip.on("data", (chunk: Buffer) => {
    packed.update(chunk);
    size += chunk.length;
    if (!out.write(chunk)) {
      gzip.pause();
      out.once("drain", () => gzip.resume());
    }
  });
  const put = async (bytes: Uint8Array, hash: Hash) => {
    hash.update(bytes);
    if (!gzip.write(bytes)) await once(gzip, "drain");
  };
  // Small pieces are joined first: a write each would cost more than packing them.
  let batch: Uint8Array[] = [];
  let held = 0;
  const flush = async () => {
    await put(Buffer.concat(batch), raw);
    batch = [];
    held = 0;
  };
  for (const entry of entries) {
    for (const part of entryBlocks(entry)) {
      batch.push(part);
      held += part.length;
    }
    if (held > 1 << 20) await flush();
  }
  batch.push(new Uint8Array(1024));
  await flush();
  gzip.end();
  await once(gzip, "end");
  out.end();
  await once(out, "finish");
  const digest = `sha256:${packed.digest("hex")}`;
  const file = `${dir}/${digest.replace(":", "-")}`;
  await Deno.rename(temporary, file);
  return {
    digest,
    size,
    diffId: `sha256:${raw.digest("hex")}`,
    mediaType: "application/vnd.oci.image.layer.v1.tar+gzip",
    content: { file },
  };
}

/** An image whose layers hold `sizes` bytes of files each, above busybox. The layers' files go into `dir`. */
export async function bulk(dir: string, sizes: number[], seed: number): Promise<Image> {
  const layers = [await writeLayer(dir, busyboxLayer())];
  for (const [number, size] of sizes.entries()) {
    layers.push(await writeLayer(dir, files(`opt/part-${number}`, size, seed + number)));
  }
  return image(layers, { Env: [path], Cmd: ["sh"] });
}
