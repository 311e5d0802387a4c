import { Code } from "../../rpc/status.ts";
import type { Kernel } from "../../sys/mod.ts";
import { type ByteSource, SourceError } from "../byte_source.ts";
import type { Descriptor } from "../documents.ts";
import { OCI_INDEX } from "../media_types.ts";
import type { ArchiveContents } from "./types.ts";

const CHUNK = 1 << 18;

/** A tar with images, of which it is known where everything is. Digests are the parser's to check. */
export class ArchiveSource implements ByteSource {
  #kernel: Kernel;
  #path: string;
  #file: number;
  #contents: ArchiveContents;

  /** @param file descriptor of the tar. */
  constructor(kernel: Kernel, path: string, file: number, contents: ArchiveContents) {
    this.#kernel = kernel;
    this.#path = path;
    this.#file = file;
    this.#contents = contents;
  }

  async manifest(reference: string, limit: number): Promise<{ bytes: Uint8Array; mediaType: string }> {
    const made = reference === "" ? this.#contents.index : this.#contents.documents[reference];
    if (made !== undefined) return { bytes: Uint8Array.fromBase64(made), mediaType: reference === "" ? OCI_INDEX : "" };
    const [offset, size] = this.#place(reference);
    if (size > limit) {
      throw new SourceError(Code.FAILED_PRECONDITION, `${reference} has ${size} bytes (images.limits.manifestBytes)`);
    }
    const bytes = new Uint8Array(size);
    for (let at = 0; at < size;) at += this.#read(bytes.subarray(at), offset + at);
    return { bytes, mediaType: "" };
  }

  async *blob(descriptor: Descriptor): AsyncGenerator<Uint8Array> {
    const [offset, size] = this.#place(descriptor.digest);
    if (size !== descriptor.size) {
      throw new SourceError(
        Code.DATA_LOSS,
        `${this.#path} has ${size} bytes of ${descriptor.digest}; the manifest promises ${descriptor.size}`,
      );
    }
    const buffer = new Uint8Array(CHUNK);
    for (let at = 0; at < size;) {
      const count = this.#read(buffer.subarray(0, Math.min(CHUNK, size - at)), offset + at);
      at += count;
      yield buffer.subarray(0, count);
    }
  }

  #place(digest: string): [number, number] {
    const place = this.#contents.blobs[digest];
    if (place) return place;
    throw new SourceError(Code.NOT_FOUND, `${this.#path} is not whole: ${digest} is not in it`);
  }

  #read(into: Uint8Array, offset: number): number {
    const count = this.#kernel.pread(this.#file, into, offset);
    if (count > 0) return count;
    throw new SourceError(Code.DATA_LOSS, `${this.#path} became shorter while it was read`);
  }
}
