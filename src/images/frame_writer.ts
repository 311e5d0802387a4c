import { FRAME_HEADER_LENGTH, frameHeader, FrameKind, type StreamStart } from "./frames.ts";

/** Payload of a data frame: enough that the cost of a write does not count. */
const CHUNK = 1 << 18;

/** Writes whole frames, one after another, for any number of streams at once. */
export class FrameWriter {
  #output: { write(bytes: Uint8Array): Promise<number> };
  #last: Promise<unknown> = Promise.resolve();

  constructor(output: { write(bytes: Uint8Array): Promise<number> }) {
    this.#output = output;
  }

  start(stream: number, start: StreamStart): Promise<void> {
    const payload = new TextEncoder().encode(JSON.stringify(start));
    return this.#write(joined(frameHeader(FrameKind.START, stream, payload.length), payload));
  }

  end(stream: number): Promise<void> {
    return this.#write(frameHeader(FrameKind.END, stream, 0));
  }

  abort(stream: number): Promise<void> {
    return this.#write(frameHeader(FrameKind.ABORT, stream, 0));
  }

  /** Sends what `parts` yields, gathered into large frames; `sent` hears how many bytes went out. */
  async data(stream: number, parts: AsyncIterable<Uint8Array>, sent: (bytes: number) => void): Promise<void> {
    const buffer = new Uint8Array(FRAME_HEADER_LENGTH + CHUNK);
    let length = 0;
    const flush = async () => {
      buffer.set(frameHeader(FrameKind.DATA, stream, length));
      await this.#write(buffer.subarray(0, FRAME_HEADER_LENGTH + length));
      sent(length);
      length = 0;
    };
    for await (const part of parts) {
      for (let at = 0; at < part.length;) {
        const count = Math.min(CHUNK - length, part.length - at);
        buffer.set(part.subarray(at, at + count), FRAME_HEADER_LENGTH + length);
        length += count;
        at += count;
        if (length === CHUNK) await flush();
      }
    }
    if (length > 0) await flush();
  }

  #write(bytes: Uint8Array): Promise<void> {
    const write = async () => {
      for (let done = 0; done < bytes.length;) done += await this.#output.write(bytes.subarray(done));
    };
    const result = this.#last.then(write);
    this.#last = result.catch(() => {});
    return result;
  }
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const whole = new Uint8Array(a.length + b.length);
  whole.set(a);
  whole.set(b, a.length);
  return whole;
}
