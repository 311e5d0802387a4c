import { type Kernel, O_NONBLOCK, O_RDONLY, RESOLVE_IN_ROOT, S_IFMT, S_IFREG } from "../sys/mod.ts";
import { Code, messageOf } from "../rpc/status.ts";
import { type ByteSource, SourceError } from "./byte_source.ts";
import { digestHex } from "./digest.ts";
import type { Descriptor } from "./documents.ts";
import { OCI_INDEX } from "./media_types.ts";

const CHUNK = 1 << 18;

/** An OCI image layout on this node: https://github.com/opencontainers/image-spec/blob/main/image-layout.md */
export class LayoutSource implements ByteSource {
  #kernel: Kernel;
  #path: string;
  #folder: number;

  /** @param folder descriptor of the layout's folder; no path leads out of it. */
  constructor(kernel: Kernel, path: string, folder: number) {
    this.#kernel = kernel;
    this.#path = path;
    this.#folder = folder;
  }

  /** "" is the layout's index.json, else a digest. */
  async manifest(reference: string, limit: number): Promise<{ bytes: Uint8Array; mediaType: string }> {
    const name = reference === "" ? "index.json" : blobName(reference);
    const { fd, size } = this.#open(name);
    try {
      if (size > limit) {
        throw new SourceError(
          Code.FAILED_PRECONDITION,
          `${this.#path}/${name} has ${size} bytes, over the limit of ${limit} (images.limits.manifestBytes)`,
        );
      }
      const bytes = new Uint8Array(size);
      let at = 0;
      while (at < size) {
        const count = this.#kernel.pread(fd, bytes.subarray(at), at);
        if (count === 0) break;
        at += count;
      }
      return { bytes: bytes.subarray(0, at), mediaType: reference === "" ? OCI_INDEX : "" };
    } finally {
      this.#kernel.close(fd);
    }
  }

  async *blob(descriptor: Descriptor): AsyncGenerator<Uint8Array> {
    const name = blobName(descriptor.digest);
    const { fd, size } = this.#open(name);
    try {
      if (size !== descriptor.size) {
        throw new SourceError(
          Code.DATA_LOSS,
          `${this.#path}/${name} has ${size} bytes; the manifest promises ${descriptor.size}`,
        );
      }
      const buffer = new Uint8Array(CHUNK);
      for (let at = 0; at < size;) {
        const count = this.#kernel.pread(fd, buffer, at);
        if (count === 0) {
          throw new SourceError(Code.DATA_LOSS, `${this.#path}/${name} became shorter while it was read`);
        }
        at += count;
        yield buffer.subarray(0, count);
      }
    } finally {
      this.#kernel.close(fd);
    }
  }

  #open(name: string): { fd: number; size: number } {
    let fd: number;
    try {
      fd = this.#kernel.openat2(this.#folder, name, { flags: O_RDONLY | O_NONBLOCK, resolve: RESOLVE_IN_ROOT });
    } catch (cause) {
      throw new SourceError(Code.NOT_FOUND, `${this.#path} is not a whole OCI image layout: ${messageOf(cause)}`);
    }
    const { mode, size } = this.#kernel.fstat(fd);
    if ((mode & S_IFMT) === S_IFREG) return { fd, size };
    this.#kernel.close(fd);
    throw new SourceError(Code.FAILED_PRECONDITION, `${this.#path}/${name} is not a regular file`);
  }
}

function blobName(digest: string): string {
  return `blobs/sha256/${digestHex(digest)}`;
}
