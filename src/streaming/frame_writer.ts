import type { Transport } from "./types.ts";

/** Payload that goes out in one write. */
export const WRITE_BYTES = 64 << 10;
const ROOM = 16;

/**
 * Writes frames one after the other, each as one write: header and payload are put together in a buffer that is used
 * for every frame, so that a gigabyte of output leaves no garbage.
 */
export class FrameWriter {
  #buffer?: Uint8Array<ArrayBuffer>;
  #last: Promise<void> = Promise.resolve();

  constructor(private readonly transport: Transport) {}

  /** `payload` of at most {@link WRITE_BYTES} may be changed once this has settled; `header` has at most 16 bytes. */
  send(header: Uint8Array, payload?: Uint8Array): Promise<void> {
    const sent = this.#last.then(() => this.#write(header, payload));
    this.#last = sent.catch(() => {});
    return sent;
  }

  /** Resolves when everything that was handed over before has been written or has failed. */
  idle(): Promise<void> {
    return this.#last;
  }

  #write(header: Uint8Array, payload: Uint8Array | undefined): Promise<void> {
    if (payload === undefined || payload.length === 0) return this.transport.write(header);
    const buffer = this.#buffer ??= new Uint8Array(WRITE_BYTES + ROOM);
    buffer.set(header);
    buffer.set(payload, header.length);
    return this.transport.write(buffer.subarray(0, header.length + payload.length));
  }
}
