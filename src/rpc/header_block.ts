import { ConnectionError, ErrorCode, Flag, readUint32, withoutPadding } from "./frames.ts";
import type { Limits } from "./limits.ts";

/** A complete header block, from a HEADERS frame and the CONTINUATION frames after it. */
export interface HeaderBlock {
  streamId: number;
  endStream: boolean;
  /** The priority fields name the stream itself, which RFC 9113 5.3.1 makes a stream error. */
  dependsOnItself: boolean;
  bytes: Uint8Array;
}

/** Joins HEADERS and CONTINUATION frames; both their bytes and their number are limited (CVE-2024-24549 and its kin). */
export class HeaderBlockAssembler {
  #open: HeaderBlock | undefined;
  #parts: Uint8Array[] = [];
  #size = 0;

  constructor(readonly limits: Pick<Limits, "maxHeaderBlockBytes" | "maxContinuationFrames">) {}

  /** A block has begun and not ended: only CONTINUATION may follow (RFC 9113, 6.10). */
  get isOpen(): boolean {
    return this.#open !== undefined;
  }

  /** The block, when this frame is all of it. */
  headers(streamId: number, flags: number, framePayload: Uint8Array): HeaderBlock | undefined {
    let payload = withoutPadding(flags, framePayload);
    let dependsOnItself = false;
    if (flags & Flag.PRIORITY) {
      if (payload.length < 5) throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, "HEADERS without its priority");
      dependsOnItself = (readUint32(payload, 0) & 0x7fffffff) === streamId;
      payload = payload.subarray(5);
    }
    const block = { streamId, endStream: (flags & Flag.END_STREAM) !== 0, dependsOnItself, bytes: payload };
    if (flags & Flag.END_HEADERS) return block;
    this.#open = block;
    this.#parts = [payload.slice()];
    this.#size = payload.length;
    return undefined;
  }

  /** The block, when this frame ends it. */
  continuation(streamId: number, flags: number, payload: Uint8Array): HeaderBlock | undefined {
    const block = this.#open;
    if (block === undefined || block.streamId !== streamId) {
      throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, "CONTINUATION without its HEADERS");
    }
    this.#parts.push(payload.slice());
    this.#size += payload.length;
    if (this.#size > this.limits.maxHeaderBlockBytes || this.#parts.length > this.limits.maxContinuationFrames) {
      throw new ConnectionError(
        ErrorCode.ENHANCE_YOUR_CALM,
        `header block of ${this.#size} bytes in ${this.#parts.length} frames is over the limit`,
      );
    }
    if ((flags & Flag.END_HEADERS) === 0) return undefined;
    block.bytes = join(this.#parts, this.#size);
    this.#open = undefined;
    this.#parts = [];
    return block;
  }
}

/** Joins parts whose lengths add up to `size`. */
export function join(parts: readonly Uint8Array[], size: number): Uint8Array {
  if (parts.length === 1) return parts[0];
  const joined = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
