/** The Huffman code of HPACK (RFC 7541, appendix B). It is canonical, so the lengths are the whole table. */

/** Bits of the code of each octet, 0 to 255. The 30 ones of EOS are what no octet uses. */
// deno-fmt-ignore
const CODE_LENGTHS = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
  28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
  5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
  7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
  6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
  24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
  21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
  26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
];

/** Two children per node: 0 is none, a negative number is the leaf of octet -(n+1), a positive one is a node. */
const TREE = buildTree();

function buildTree(): Int32Array {
  const tree = [0, 0];
  const octets = CODE_LENGTHS.map((_, octet) => octet).sort((a, b) => CODE_LENGTHS[a] - CODE_LENGTHS[b] || a - b);
  let code = 0;
  let length = CODE_LENGTHS[octets[0]];
  for (const octet of octets) {
    code *= 2 ** (CODE_LENGTHS[octet] - length);
    length = CODE_LENGTHS[octet];
    let node = 0;
    for (let bit = length - 1; bit > 0; bit--) {
      const at = node * 2 + ((code >>> bit) & 1);
      if (tree[at] === 0) tree[at] = tree.push(0, 0) / 2 - 1;
      node = tree[at];
    }
    tree[node * 2 + (code & 1)] = -(octet + 1);
    code++;
  }
  return Int32Array.from(tree);
}

/**
 * Decodes `bytes[start, end)` to a string of one character per octet.
 * @throws {Error} on EOS in the string, and on padding that is not fewer than 8 one bits (RFC 7541, 5.2).
 */
export function decodeHuffman(bytes: Uint8Array, start: number, end: number): string {
  let text = "";
  let node = 0;
  let padding = 0;
  let onlyOnes = true;
  for (let at = start; at < end; at++) {
    const byte = bytes[at];
    for (let shift = 7; shift >= 0; shift--) {
      const bit = (byte >>> shift) & 1;
      const next = TREE[node * 2 + bit];
      if (next < 0) {
        text += String.fromCharCode(-next - 1);
        node = 0;
        padding = 0;
        onlyOnes = true;
      } else if (next === 0) {
        throw new Error("EOS inside a Huffman string");
      } else {
        node = next;
        padding++;
        if (bit === 0) onlyOnes = false;
      }
    }
  }
  if (padding > 7 || !onlyOnes) throw new Error("Huffman padding is not fewer than 8 one bits");
  return text;
}
