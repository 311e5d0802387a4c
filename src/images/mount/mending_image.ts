import { createHash } from "node:crypto";
import { digestHex, sha256Digest } from "../digest.ts";
import { SUPERBLOCK_AREA, writeImage } from "../erofs/image.ts";
import { Inode, S_IFDIR } from "../erofs/inode.ts";
import type { Xattr } from "../tar/entry.ts";
import { byteString } from "../tar/entry.ts";
import { BufferOutput } from "./buffer_output.ts";
import type { DirectoryAttributes, MergedDirectories } from "./merged_directories.ts";

/** What an image's stack of layers is called: https://github.com/opencontainers/image-spec/blob/main/config.md#layer-chainid */
export function chainId(diffIds: string[]): string {
  return diffIds.reduce(
    (chain, diffId) => chain === "" ? diffId : sha256Digest(`${chain} ${diffId}`),
    "",
  );
}

/** The name of what lies on top of a stack of layers, as a file and as a mount. */
export function mendingName(chain: string): string {
  return chain === "" ? "chain" : `chain-${digestHex(chain)}`;
}

/**
 * An image of nothing but directories, to lie on top of a stack of layers: it gives directories that a layer only implied
 * the attributes that a lower layer has for them. Undefined when the stack needs none.
 */
export async function mendingImage(directories: MergedDirectories, chain: string): Promise<Uint8Array | undefined> {
  const paths = await directories.toMend();
  if (paths.length === 0) return undefined;
  const root = inodeOf(await directories.attributes(""));
  for (const path of paths) {
    let parent = root;
    let walked = "";
    for (const part of path === "" ? [] : path.split("/")) {
      walked = walked === "" ? part : `${walked}/${part}`;
      const name = byteString(new TextEncoder().encode(part));
      let child = parent.children!.get(name);
      if (!child) {
        child = inodeOf(await directories.attributes(walked));
        parent.children!.set(name, child);
      }
      parent = child;
    }
  }
  const output = new BufferOutput();
  const uuid = createHash("sha256").update(chain).digest().subarray(0, 16);
  return output.bytes(writeImage(root, output, SUPERBLOCK_AREA, uuid).length);
}

function inodeOf({ stat, xattrs }: DirectoryAttributes): Inode {
  const inode = new Inode(S_IFDIR | (stat.mode & 0o7777));
  inode.uid = stat.uid;
  inode.gid = stat.gid;
  inode.mtimeSeconds = Number(stat.mtime / 1_000_000_000n);
  inode.mtimeNanoseconds = Number(stat.mtime % 1_000_000_000n);
  if (inode.mtimeNanoseconds < 0) {
    inode.mtimeSeconds--;
    inode.mtimeNanoseconds += 1_000_000_000;
  }
  if (xattrs.length > 0) {
    inode.xattrs = xattrs.map(({ name, value }): Xattr => ({
      name: byteString(new TextEncoder().encode(name)),
      value,
    }));
  }
  return inode;
}
