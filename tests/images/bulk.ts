/**
 * Large images for measuring pulls: the file sizes of a real userland (many small, few big), content that packs about
 * as well as programs and text do. Written once as files, named by content.
 */
import { Buffer } from "node:buffer";
import { createHash, type Hash } from "node:crypto";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import type { Transform } from "node:stream";
import * as zlib from "node:zlib";
import { busyboxLayer, path } from "./busybox.ts";
import { type Image, image, type Layer } from "./image.ts";
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

let pool: Buffer | undefined;

/** Words of a limited vocabulary between runs of noise: gzip brings it to about 40 %. */
function makePool(): Buffer {
  const next = random(12);
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

/** A piece of what real files hold, of any size, at a place of its own. */
function contentFrom(seed: number): (size: number) => Uint8Array {
  const next = random(seed);
  const source = pool ??= makePool();
  return (size) => {
    const from = Math.floor(next() * (poolSize - size - 1));
    return source.subarray(from, from + size);
  };
}

/** Files of `total` bytes together: sizes spread like a userland's, half of them under 4 KB, a few of many megabytes. */
export function* userland(name: string, total: number, seed: number): Generator<Entry> {
  const next = random(seed);
  const content = contentFrom(seed + 1);
  yield { path: name, type: "5" };
  let written = 0;
  for (let number = 0; written < total; number++) {
    const spread = Math.exp((next() + next() + next() - 1.5) * 6);
    const size = Math.min(Math.floor(4000 * spread * (next() < 0.01 ? 100 : 1)), 12 << 20, total - written);
    const dir = `${name}/${Math.floor(number / 24)}`;
    if (number % 24 === 0) yield { path: dir, type: "5" };
    yield { path: `${dir}/file-${number}`, mode: next() < 0.1 ? 0o755 : 0o644, data: content(size) };
    written += size + 512;
  }
}

/** As a tree of node_modules has it: up to 3 KB each, ten to a folder. */
export function* tinyFiles(name: string, count: number, seed: number): Generator<Entry> {
  const next = random(seed);
  const content = contentFrom(seed + 1);
  yield { path: name, type: "5" };
  for (let number = 0; number < count; number++) {
    const dir = `${name}/package-${Math.floor(number / 10)}`;
    if (number % 10 === 0) yield { path: dir, type: "5" };
    yield { path: `${dir}/file-${number}.js`, data: content(Math.floor(next() * 3000)) };
  }
}

/** One file of `size` bytes, a multiple of a megabyte, put together from pieces. */
export function* oneFile(name: string, size: number, seed: number): Generator<Entry | Uint8Array> {
  yield { path: name, size };
  const content = contentFrom(seed);
  for (let written = 0; written < size; written += 1 << 20) yield content(1 << 20);
}

export type Compression = "gzip" | "zstd" | "none";

/** A layer's tar: members, and bodies of members that only gave their size. */
export interface LayerContent {
  entries: () => Iterable<Entry | Uint8Array>;
  compression?: Compression;
}

function compressor(compression: Compression): Transform | undefined {
  if (compression === "none") return undefined;
  if (compression === "gzip") return zlib.createGzip({ level: 6 });
  // The type definitions are older than the function.
  return (zlib as unknown as { createZstdCompress(): Transform }).createZstdCompress();
}

async function writeLayer(dir: string, { entries, compression = "gzip" }: LayerContent): Promise<Layer> {
  const [raw, packed] = [createHash("sha256"), createHash("sha256")];
  const temporary = `${dir}/.writing-${crypto.randomUUID()}`;
  const out = createWriteStream(temporary);
  const packer = compressor(compression);
  let size = 0;
  const store = (chunk: Uint8Array) => {
    packed.update(chunk);
    size += chunk.length;
    return out.write(chunk);
  };
  packer?.on("data", (chunk: Buffer) => {
    if (!store(chunk)) {
      packer.pause();
      out.once("drain", () => packer.resume());
    }
  });
  const put = async (bytes: Uint8Array, hash: Hash) => {
    hash.update(bytes);
    if (!(packer ? packer.write(bytes) : store(bytes))) await once(packer ?? out, "drain");
  };
  // Small pieces are joined first: a write each would cost more than packing them.
  let batch: Uint8Array[] = [];
  let held = 0;
  const flush = async () => {
    await put(Buffer.concat(batch), raw);
    batch = [];
    held = 0;
  };
  for (const entry of entries()) {
    for (const part of entry instanceof Uint8Array ? [entry] : entryBlocks(entry)) {
      batch.push(part);
      held += part.length;
    }
    if (held > 1 << 20) await flush();
  }
  batch.push(new Uint8Array(1024));
  await flush();
  if (packer) {
    packer.end();
    await once(packer, "end");
  }
  out.end();
  await once(out, "finish");
  const digest = `sha256:${packed.digest("hex")}`;
  const file = `${dir}/${digest.replace(":", "-")}`;
  await Deno.rename(temporary, file);
  return {
    digest,
    size,
    diffId: `sha256:${raw.digest("hex")}`,
    mediaType: `application/vnd.oci.image.layer.v1.tar${compression === "none" ? "" : `+${compression}`}`,
    content: { file },
  };
}

/** An image of these layers above busybox. The layers' files go into `dir`. */
export async function bulk(dir: string, contents: LayerContent[]): Promise<Image> {
  const layers: Layer[] = [];
  for (const content of [{ entries: busyboxLayer }, ...contents]) layers.push(await writeLayer(dir, content));
  return image(layers, { Env: [path], Cmd: ["sh"] });
}
