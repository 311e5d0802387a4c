/** What an entry of the corpus is, and how it is written down. */
import type { Image, Layer } from "../images/image.ts";
import { digestOf } from "../images/image.ts";
import { gzipSync, zstdCompressSync } from "node:zlib";

/** Where the trees of skiff and of containerd may differ, and why that is right. */
export interface Difference {
  /** Of lines `path<TAB>field`, as in `a/b mtime`; a field `*` stands for all of the path. */
  at: RegExp;
  why: string;
}

export interface Case {
  name: string;
  /** One line: what it is. */
  says: string;
  image: Image;
  /** Words of skiff's refusal; without it the image must be pulled. */
  refused?: RegExp;
  differs?: Difference[];
  /** What skiff's tree must show, in the words of {@link Difference.at}, where the comparison does not say it. */
  shows?: Record<string, string>;
  /** Why containerd is not asked: a bomb would fill the disk. */
  notOnPeer?: string;
  /** Why containerd refuses what is right. */
  peerRefuses?: string;
}

export const newRoot: Difference = {
  at: /^\. (mode|owner|xattrs)$/,
  why: "containerd makes a new root for each container: 0755 of root",
};

export const inherited = (paths: RegExp): Difference => ({
  at: new RegExp(`^(${paths.source}) xattrs$`),
  why: "containerd makes it below a folder with a default ACL, which it inherits; the image gives it none",
});

export const bareWhiteouts = (paths: RegExp): Difference => ({
  at: new RegExp(`^(${paths.source}) \\*$`),
  why: "overlayfs shows whiteouts of a folder that no lower layer has; here they are covered",
});

export type Packing = "gzip" | "zstd" | "none";

/** A layer of these bytes of a tar. */
export function layerOf(tar: Uint8Array, packing: Packing = "gzip"): Layer {
  const packed = packing === "gzip" ? gzipSync(tar) : packing === "zstd" ? zstdCompressSync(tar) : tar;
  return packedLayer(new Uint8Array(packed), digestOf(tar), packing);
}

/** A layer of these bytes as they go over the wire, whatever they are. */
export function packedLayer(content: Uint8Array, diffId: string, packing: Packing = "gzip"): Layer {
  const suffix = packing === "none" ? "" : `+${packing}`;
  return {
    content,
    digest: digestOf(content),
    size: content.length,
    diffId,
    mediaType: `application/vnd.oci.image.layer.v1.tar${suffix}`,
  };
}
