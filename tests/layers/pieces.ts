/** Content for the corpus: the same bytes every time. */

/** Bytes that don't pack. */
export function random(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = (seed * 2654435761) >>> 0 || 1;
  for (let at = 0; at < length; at++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[at] = state;
  }
  return bytes;
}

/** CAP_NET_RAW, permitted and effective: VFS_CAP_REVISION_2 of linux/capability.h. */
export const capability = words([0x02000001, 1 << 13, 0, 0, 0]);

/** An ACL of linux/posix_acl_xattr.h: the owner, a user beside it, the group (4), the mask (which is the mode's group), others (0). */
export function posixAcl(user: number, permissions: number, owner: number): Uint8Array {
  const none = 0xffffffff;
  const entries = [[0x01, owner, none], [0x02, permissions, user], [0x04, 4, none], [0x10, permissions | 4, none], [
    0x20,
    0,
    none,
  ]];
  return words([2, ...entries.flatMap(([tag, bits, id]) => [tag | bits << 16, id])]);
}

function words(values: number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 4);
  const view = new DataView(bytes.buffer);
  values.forEach((value, index) => view.setUint32(index * 4, value >>> 0, true));
  return bytes;
}
