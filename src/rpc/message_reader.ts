import { Code, RpcError } from "./status.ts";

/** Length of what stands before each message: a flag and 32 bits of length. */
const PREFIX = 5;
/** A message's buffer grows with what arrives, not with what its prefix promises. */
const FIRST_BUFFER = 64 * 1024;

/**
 * Takes the one message of a unary or server-streaming request out of DATA frames, which may split it anywhere.
 * @see https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 */
export class MessageReader {
  #prefix = new Uint8Array(PREFIX);
  #prefixLength = 0;
  #message: Uint8Array | undefined;
  #length = 0;
  #filled = 0;

  constructor(readonly maxBytes: number) {}

  /**
   * Takes bytes of the body; they are copied.
   * @throws {RpcError} RESOURCE_EXHAUSTED for a message over the limit, INTERNAL or UNIMPLEMENTED for what is no message.
   */
  push(bytes: Uint8Array): void {
    let at = 0;
    if (this.#message === undefined) {
      while (this.#prefixLength < PREFIX && at < bytes.length) this.#prefix[this.#prefixLength++] = bytes[at++];
      if (this.#prefixLength < PREFIX) return;
      this.#begin(bytes.length - at);
    }
    const count = bytes.length - at;
    if (count === 0) return;
    if (count > this.#length - this.#filled) {
      throw new RpcError(Code.INTERNAL, "the request has more than one message, or bytes after its message");
    }
    this.#reserve(this.#filled + count);
    this.#message!.set(at === 0 ? bytes : bytes.subarray(at), this.#filled);
    this.#filled += count;
  }

  /** The message, once the request is complete. @throws {RpcError} INTERNAL when it is not all there. */
  finish(): Uint8Array {
    if (this.#message === undefined) throw new RpcError(Code.INTERNAL, "the request has no message");
    if (this.#filled < this.#length) {
      throw new RpcError(Code.INTERNAL, `the request ends after ${this.#filled} of its ${this.#length} bytes`);
    }
    return this.#message;
  }

  #begin(available: number): void {
    const [flag, a, b, c, d] = this.#prefix;
    if (flag === 1) throw new RpcError(Code.INTERNAL, "the message is compressed, but no grpc-encoding says how");
    if (flag !== 0) throw new RpcError(Code.INTERNAL, `the message begins with ${flag}, which gRPC does not know`);
    this.#length = ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
    if (this.#length > this.maxBytes) {
      throw new RpcError(
        Code.RESOURCE_EXHAUSTED,
        `the request has ${this.#length} bytes, more than the limit of ${this.maxBytes}`,
      );
    }
    this.#message = new Uint8Array(Math.min(this.#length, Math.max(available, FIRST_BUFFER)));
  }

  #reserve(needed: number): void {
    const message = this.#message!;
    if (needed <= message.length) return;
    const larger = new Uint8Array(Math.min(this.#length, Math.max(needed, message.length * 2)));
    larger.set(message.subarray(0, this.#filled));
    this.#message = larger;
  }
}

/** The prefix of an uncompressed message of this length. */
export function messagePrefix(length: number): Uint8Array {
  return Uint8Array.of(0, length >>> 24, length >>> 16, length >>> 8, length);
}
