/** HTTP/2 frames (RFC 9113, section 4 and 6): numbers, the reader, and the writing of heads. */

export const FrameType = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const;

export const Flag = { ACK: 1, END_STREAM: 1, END_HEADERS: 4, PADDED: 8, PRIORITY: 32 } as const;

export const ErrorCode = {
  NO_ERROR: 0,
  PROTOCOL_ERROR: 1,
  INTERNAL_ERROR: 2,
  FLOW_CONTROL_ERROR: 3,
  STREAM_CLOSED: 5,
  FRAME_SIZE_ERROR: 6,
  REFUSED_STREAM: 7,
  CANCEL: 8,
  COMPRESSION_ERROR: 9,
  ENHANCE_YOUR_CALM: 11,
} as const;

export const Setting = {
  HEADER_TABLE_SIZE: 1,
  ENABLE_PUSH: 2,
  MAX_CONCURRENT_STREAMS: 3,
  INITIAL_WINDOW_SIZE: 4,
  MAX_FRAME_SIZE: 5,
  MAX_HEADER_LIST_SIZE: 6,
} as const;

export const FRAME_HEAD = 9;
/** The largest payload we take and send: SETTINGS_MAX_FRAME_SIZE at its default keeps streams interleaved finely. */
export const MAX_PAYLOAD = 16384;
export const MAX_WINDOW = 0x7fffffff;
export const PREFACE = new TextEncoder().encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/** The whole connection is at fault: GOAWAY with this code, then close (RFC 9113, 5.4.1). */
export class ConnectionError extends Error {
  override name = "ConnectionError";
  constructor(readonly code: number, message: string) {
    super(message);
  }
}

export function readUint32(bytes: Uint8Array, at: number): number {
  return ((bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]) >>> 0;
}

export function uint32(...values: number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 4);
  values.forEach((value, at) => putUint32(bytes, at * 4, value));
  return bytes;
}

export function putUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

export function putFrameHead(
  bytes: Uint8Array,
  at: number,
  length: number,
  type: number,
  flags: number,
  streamId: number,
): void {
  bytes[at] = length >>> 16;
  bytes[at + 1] = length >>> 8;
  bytes[at + 2] = length;
  bytes[at + 3] = type;
  bytes[at + 4] = flags;
  putUint32(bytes, at + 5, streamId);
}

/** SETTINGS payload of (identifier, value) pairs. */
export function settingsPayload(pairs: [id: number, value: number][]): Uint8Array {
  const bytes = new Uint8Array(pairs.length * 6);
  pairs.forEach(([id, value], at) => {
    bytes[at * 6 + 1] = id;
    putUint32(bytes, at * 6 + 2, value);
  });
  return bytes;
}

export function parseSettings(payload: Uint8Array): [id: number, value: number][] {
  if (payload.length % 6 !== 0) throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, "SETTINGS length");
  const pairs: [number, number][] = [];
  for (let at = 0; at < payload.length; at += 6) {
    pairs.push([(payload[at] << 8) | payload[at + 1], readUint32(payload, at + 2)]);
  }
  return pairs;
}

/** The payload of a DATA or HEADERS frame without its padding. */
export function withoutPadding(flags: number, payload: Uint8Array): Uint8Array {
  if ((flags & Flag.PADDED) === 0) return payload;
  if (payload.length === 0 || payload[0] >= payload.length) {
    throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, "padding is as long as the frame");
  }
  return payload.subarray(1, payload.length - payload[0]);
}

/**
 * Cuts a byte stream into frames. The frame read last is in the fields; its payload is a view that the next
 * {@link FrameReader.fill} overwrites.
 */
export class FrameReader {
  type = 0;
  flags = 0;
  streamId = 0;
  payload: Uint8Array = new Uint8Array();

  #buffer = new Uint8Array(2 * MAX_PAYLOAD);
  #start = 0;
  #end = 0;

  /** Reads what is there; false at the end of the stream. Call it only after {@link FrameReader.next} said false. */
  async fill(source: { read(into: Uint8Array): Promise<number | null> }): Promise<boolean> {
    if (this.#start > 0) {
      // Less than one frame is left over, so this moves little; and the buffer always has room for one frame.
      this.#buffer.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
    }
    const count = await source.read(this.#end === 0 ? this.#buffer : this.#buffer.subarray(this.#end));
    if (count === null) return false;
    this.#end += count;
    return true;
  }

  /** Whether the client connection preface was there and has been taken; undefined while more bytes are needed. */
  preface(): boolean | undefined {
    const have = Math.min(this.#end - this.#start, PREFACE.length);
    for (let at = 0; at < have; at++) {
      if (this.#buffer[this.#start + at] !== PREFACE[at]) return false;
    }
    if (have < PREFACE.length) return undefined;
    this.#start += PREFACE.length;
    return true;
  }

  /** Whether a whole frame was there; it is in the fields now. */
  next(): boolean {
    const buffer = this.#buffer;
    const at = this.#start;
    if (this.#end - at < FRAME_HEAD) return false;
    const length = (buffer[at] << 16) | (buffer[at + 1] << 8) | buffer[at + 2];
    if (length > MAX_PAYLOAD) {
      throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, `frame of ${length} bytes is over ${MAX_PAYLOAD}`);
    }
    const end = at + FRAME_HEAD + length;
    if (this.#end < end) return false;
    this.type = buffer[at + 3];
    this.flags = buffer[at + 4];
    this.streamId = readUint32(buffer, at + 5) & MAX_WINDOW;
    this.payload = buffer.subarray(at + FRAME_HEAD, end);
    this.#start = end;
    return true;
  }
}
