import { createHash } from "node:crypto";
import { type ImageOutput, SUPERBLOCK_AREA, writeImage, type WrittenImage } from "../erofs/image.ts";
import { LayerTree } from "../erofs/tree.ts";
import { TarReader } from "../tar/reader.ts";
import { DetectingInflater } from "./inflate.ts";

export interface LayerLimits {
  /** Entries, counting directories that are only implied. */
  entries: number;
  /** Bytes of the tar, and of what its sparse files expand to. */
  inflatedBytes: number;
}

export interface WrittenLayer extends WrittenImage {
  /** Of the bytes as they came. */
  digest: string;
  /** Of the tar. */
  diffId: string;
  /** Length of the tar, which begins at SUPERBLOCK_AREA of the image. */
  tarBytes: number;
}

/** gzip cannot do more than 1032:1. Below RATIO_FREE_BYTES nothing is said, as small layers of zeros are common. */
const MAX_RATIO = 2000;
const RATIO_FREE_BYTES = 256 << 20;

/** Takes a compressed layer in pieces and leaves an EROFS image: superblock, the tar byte for byte, metadata. */
export class LayerWriter {
  #output: ImageOutput;
  #limits: LayerLimits;
  #compressedHash = createHash("sha256");
  #tarHash = createHash("sha256");
  #inflater = new DetectingInflater((bytes) => this.#tar(bytes));
  #tree: LayerTree;
  #reader: TarReader;
  #compressed = 0;
  #inflated = 0;
  #expanded = 0;

  constructor(output: ImageOutput, limits: LayerLimits) {
    this.#output = output;
    this.#limits = limits;
    this.#tree = new LayerTree(limits.entries);
    this.#reader = new TarReader((entry) => {
      if (entry.sparse) this.#expanded += entry.sparse.realSize;
      this.#checkSize();
      this.#tree.add(entry, SUPERBLOCK_AREA);
    });
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#compressed += bytes.length;
    this.#compressedHash.update(bytes);
    this.#inflater.write(bytes);
  }

  async end(): Promise<WrittenLayer> {
    this.#inflater.end();
    this.#reader.end();
    const diffHash = this.#tarHash.digest();
    const image = writeImage(
      this.#tree.root,
      this.#output,
      SUPERBLOCK_AREA + this.#inflated,
      diffHash.subarray(0, 16),
    );
    return {
      digest: `sha256:${this.#compressedHash.digest("hex")}`,
      diffId: `sha256:${diffHash.toString("hex")}`,
      tarBytes: this.#inflated,
      ...image,
    };
  }

  close(): void {
    this.#inflater.close();
  }

  #tar(bytes: Uint8Array): void {
    const offset = SUPERBLOCK_AREA + this.#inflated;
    this.#inflated += bytes.length;
    this.#checkSize();
    this.#tarHash.update(bytes);
    this.#output.write(bytes, offset);
    this.#reader.push(bytes);
  }

  #checkSize(): void {
    const total = this.#inflated + this.#expanded;
    if (total > this.#limits.inflatedBytes) {
      throw new Error(
        `the layer unpacks to more than ${this.#limits.inflatedBytes} bytes (images.limits.inflatedBytesPerLayer)`,
      );
    }
    if (this.#inflated > RATIO_FREE_BYTES && this.#inflated > this.#compressed * MAX_RATIO) {
      throw new Error(`the layer unpacks to more than ${MAX_RATIO} times its size, as a decompression bomb does`);
    }
  }
}
