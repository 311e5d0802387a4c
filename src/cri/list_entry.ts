import type { Codec } from "../rpc/types.ts";

/** One element of a list reply, as it stands on the wire: in all of the CRI's list replies the list is field 1. */
export function entry<T>(codec: Codec<T>, message: T): Uint8Array {
  const body = codec.encode(message).finish();
  const head = [0x0a];
  let length = body.length;
  for (; length > 0x7f; length = Math.floor(length / 128)) head.push((length & 0x7f) | 0x80);
  head.push(length);
  const bytes = new Uint8Array(head.length + body.length);
  bytes.set(head);
  bytes.set(body, head.length);
  return bytes;
}
