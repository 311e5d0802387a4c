import { Code, RpcError } from "../rpc/status.ts";
import { type Kernel, O_DIRECTORY, O_NOFOLLOW, O_RDONLY, O_RDWR, S_IFMT, S_IFREG, withOpen } from "../sys/mod.ts";
import { digestHex } from "./digest.ts";
import { Holds } from "./holds.ts";
import { blobPartName } from "./staging.ts";
import type { ImageRecord } from "./types.ts";

/** A layer as it came, in a staging folder. */
export interface StagedBlob {
  stream: number;
  digest: string;
  /** Bytes. */
  size: number;
}

const FILE = /^[0-9a-f]{64}$/;

/** The blobs that these images need as they came; one that is no other than its layer's tar is not kept twice. */
export function keptBlobs(images: Pick<ImageRecord, "originals">[]): Set<string> {
  const blobs = images.flatMap(({ originals = [] }) => originals.flatMap(({ blobs }) => blobs));
  return new Set(blobs.filter(({ digest, diffId }) => digest !== diffId).map(({ digest }) => digest));
}

/** Layers as they came, for `images.serve.keepBlobs`: `<root>/blobs/<hex>`. They have no rows: what no image's row names goes. */
export class BlobStore {
  readonly folder: string;
  #kernel: Kernel;
  #needed: () => Set<string>;
  /** Bytes by digest. */
  #sizes = new Map<string, number>();
  #holds = new Holds();

  constructor(options: { root: string; kernel: Kernel; needed: () => Set<string> }) {
    this.folder = `${options.root}/blobs`;
    this.#kernel = options.kernel;
    this.#needed = options.needed;
  }

  /** Finds out what is there, and removes what no image needs. */
  async start(): Promise<void> {
    if (!this.#kernel.exists(this.folder)) return;
    for (const { name } of this.#kernel.readDirectory(this.folder, Number.MAX_SAFE_INTEGER)) {
      if (FILE.test(name)) this.#sizes.set(`sha256:${name}`, this.#kernel.lstat(`${this.folder}/${name}`).size);
    }
    await this.trim();
  }

  has(digest: string): boolean {
    return this.#sizes.has(digest);
  }

  get digests(): string[] {
    return [...this.#sizes.keys()];
  }

  path(digest: string): string {
    return `${this.folder}/${digestHex(digest)}`;
  }

  size(digests: Iterable<string>): number {
    return [...digests].reduce((sum, digest) => sum + (this.#sizes.get(digest) ?? 0), 0);
  }

  usage(): { usedBytes: number; inodesUsed: number } {
    return { usedBytes: this.size(this.#sizes.keys()), inodesUsed: this.#sizes.size };
  }

  /** Keeps blobs, there or to come, from being removed until disposed. */
  hold(digests: string[]): Disposable {
    return this.#holds.hold(digests);
  }

  /** Takes over what lies in a staging folder, for good once this settles. Nobody may have the files open for writing any more. */
  async commit(staging: string, blobs: StagedBlob[]): Promise<void> {
    if (blobs.length === 0) return;
    this.#kernel.mkdirs(this.folder, 0o700);
    await Promise.all(blobs.map((blob) => this.#secure(`${staging}/${blobPartName(blob.stream)}`, blob)));
    await withOpen(this.#kernel, this.folder, O_RDONLY | O_DIRECTORY, (fd) => this.#kernel.fsync(fd));
    for (const { digest, size } of blobs) this.#sizes.set(digest, size);
  }

  /** Removes what no image needs, and no pull holds. */
  async trim(): Promise<void> {
    if (this.#sizes.size === 0) return;
    const needed = this.#needed();
    for (const digest of this.digests) if (!needed.has(digest) && !this.#holds.has(digest)) await this.remove(digest);
  }

  async remove(digest: string): Promise<void> {
    this.#sizes.delete(digest);
    if (this.#kernel.exists(this.path(digest))) await this.#kernel.unlinkOffThread(this.path(digest));
  }

  async #secure(part: string, { digest, size }: StagedBlob): Promise<void> {
    await withOpen(this.#kernel, part, O_RDWR | O_NOFOLLOW, async (fd) => {
      const stat = this.#kernel.fstat(fd);
      if ((stat.mode & S_IFMT) !== S_IFREG || stat.size !== size) {
        throw new RpcError(Code.INTERNAL, `${part} is not the ${size} bytes of ${digest}`);
      }
      await this.#kernel.fdatasync(fd);
    });
    this.#kernel.rename(part, this.path(digest));
  }
}
