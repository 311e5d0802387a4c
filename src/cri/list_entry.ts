import { type Codec, encodeField } from "../rpc/mod.ts";

/** In all of the CRI's list replies, and the streamed ones, the list is this field. */
const LIST_FIELD = 1;

/** One element of a list reply, as it stands on the wire. */
export function entry<T>(codec: Codec<T>, message: T): Uint8Array {
  return encodeField(LIST_FIELD, codec.encode(message).finish());
}

/** The kubelet takes messages up to 16 MiB; a streamed list stays far below it. */
const CHUNK_BYTES = 1 << 20;

/** Cuts encoded entries into messages of a streamed list: each entry in exactly one of them. An empty list is no message. */
export function* chunks(entries: Iterable<Uint8Array>): Generator<Uint8Array[]> {
  let chunk: Uint8Array[] = [];
  let bytes = 0;
  for (const part of entries) {
    if (bytes + part.length > CHUNK_BYTES && chunk.length > 0) {
      yield chunk;
      chunk = [];
      bytes = 0;
    }
    chunk.push(part);
    bytes += part.length;
  }
  if (chunk.length > 0) yield chunk;
}
