/** Protobuf wire type of a length-delimited field. */
const LENGTH_DELIMITED = 2;

/**
 * The bytes of one length-delimited field: a message inside a message. An {@link Encoded} list is one of these per entry,
 * each kept with what it describes, so that a list of a thousand entries costs no encoding.
 */
export function encodeField(fieldNumber: number, message: Uint8Array): Uint8Array {
  const head: number[] = [];
  putVarint(head, fieldNumber * 8 + LENGTH_DELIMITED);
  putVarint(head, message.length);
  const field = new Uint8Array(head.length + message.length);
  field.set(head);
  field.set(message, head.length);
  return field;
}

function putVarint(out: number[], value: number): void {
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) out.push((rest % 0x80) | 0x80);
  out.push(rest);
}
