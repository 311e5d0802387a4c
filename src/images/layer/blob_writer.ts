import { createHash } from "node:crypto";
import { blobId } from "../artifact.ts";
import { type ImageOutput, SUPERBLOCK_AREA, writeImage } from "../erofs/image.ts";
import { Inode, S_IFREG } from "../erofs/inode.ts";
import { byteString } from "../tar/entry.ts";
import type { LayerLimits, WrittenLayer } from "./layer_writer.ts";

const FILE_MODE = 0o644;

/** Takes a blob of an artifact and leaves an EROFS image: superblock, the blob byte for byte, metadata of one file. */
export class BlobWriter {
  #output: ImageOutput;
  #title: string;
  #limits: LayerLimits;
  #hash = createHash("sha256");
  #size = 0;

  /** @param title path of the file; "": the image has none, and only keeps the bytes. */
  constructor(output: ImageOutput, title: string, limits: LayerLimits) {
    this.#output = output;
    this.#title = title;
    this.#limits = limits;
  }

  async write(bytes: Uint8Array): Promise<void> {
    const offset = SUPERBLOCK_AREA + this.#size;
    this.#size += bytes.length;
    if (this.#size > this.#limits.inflatedBytes) {
      throw new Error(
        `the blob has more than ${this.#limits.inflatedBytes} bytes (images.limits.inflatedBytesPerLayer)`,
      );
    }
    this.#hash.update(bytes);
    this.#output.write(bytes, offset);
  }

  async end(): Promise<WrittenLayer> {
    const digest = `sha256:${this.#hash.digest("hex")}`;
    const diffId = blobId({ title: this.#title, digest });
    const uuid = Uint8Array.fromHex(diffId.slice("sha256:".length)).subarray(0, 16);
    const image = writeImage(this.#tree(), this.#output, SUPERBLOCK_AREA + this.#size, uuid);
    return { digest, diffId, tarBytes: this.#size, ...image };
  }

  close(): void {}

  #tree(): Inode {
    const root = Inode.impliedDirectory();
    if (this.#title === "") return root;
    const parts = this.#title.split("/").map((part) => byteString(new TextEncoder().encode(part)));
    let folder = root;
    for (const part of parts.slice(0, -1)) {
      const child = Inode.impliedDirectory();
      folder.children!.set(part, child);
      folder = child;
    }
    const file = new Inode(S_IFREG | FILE_MODE);
    file.size = this.#size;
    file.dataOffset = SUPERBLOCK_AREA;
    folder.children!.set(parts.at(-1)!, file);
    return root;
  }
}
