export { concat } from "../../support/bytes.ts";

/** The bytes of a hexadecimal text; blanks are skipped. */
export function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(hex.replaceAll(/\s/g, "").match(/../g) ?? [], (pair) => parseInt(pair, 16));
}
