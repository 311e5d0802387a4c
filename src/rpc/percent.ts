/** `grpc-message` is percent-encoded UTF-8, because header values are ASCII. */

const utf8 = new TextEncoder();
/** A trailer block must fit in one frame of any peer, and in the header lists that clients take. */
const MAX_ENCODED = 12 * 1024;
const ELLIPSIS = "...";

/** Printable ASCII without `%`, and no blank at either end: HTTP/2 forbids those (RFC 9113, 8.2.1). */
const PLAIN = /^(?! )[ -$&-~]*(?<! )$/;

/**
 * Encodes all but printable ASCII without `%`, and blanks at the ends. A text that would be too long is cut at a
 * character and ends in dots.
 */
export function encodeGrpcMessage(text: string): string {
  if (text.length <= MAX_ENCODED && PLAIN.test(text)) return text;
  let encoded = "";
  for (const character of text) {
    const piece = encodeCharacter(character);
    if (encoded.length + piece.length > MAX_ENCODED) return encoded + ELLIPSIS;
    encoded += piece;
  }
  return encoded.replaceAll(/^ | $/g, "%20");
}

function encodeCharacter(character: string): string {
  if (character >= " " && character <= "~" && character !== "%") return character;
  let encoded = "";
  for (const byte of utf8.encode(character)) encoded += `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  return encoded;
}
