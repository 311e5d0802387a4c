/** Layers that are meant to do harm. Each is refused with a reason, or can only do what it does inside its own tree. */
import { gzipSync, zstdCompressSync } from "node:zlib";
import { digestOf, image } from "../images/image.ts";
import { directory, file, type Member, symlink, tar } from "../unit/images/tar_builder.ts";
import { type Case, layerOf, packedLayer, type Packing } from "./corpus.ts";
import { random } from "./pieces.ts";
import { paxSparse } from "./sparse_files.ts";

type Options = Partial<Pick<Case, "differs" | "notOnPeer" | "peerRefuses">>;

/** What the daemon of this suite is configured with. */
export const limits = { entriesPerLayer: 20_000, inflatedBytesPerLayer: 128 << 20 };

const impliedTimes = { at: /^\S+ mtime$/, why: "a directory that is only implied has no time of its own" };
const bomb = "it would unpack it";

function made(
  name: string,
  says: string,
  members: Member[] | Uint8Array,
  refused?: RegExp,
  options: Options = {},
): Case {
  const content = members instanceof Uint8Array ? members : tar(members);
  return { name, says, image: image([layerOf(content)], {}), refused, ...options };
}

function packed(name: string, says: string, content: Uint8Array, packing: Packing, refused: RegExp): Case {
  const layer = packedLayer(content, digestOf(new Uint8Array(0)), packing);
  return { name, says, image: image([layer], {}), refused };
}

const zeros = new Uint8Array((128 << 20) + 1024);
const someTar = tar([file("f", random(200_000, 1))]);
const damaged = (bytes: Uint8Array, at: number) => bytes.map((byte, index) => index === at ? byte ^ 0xff : byte);

/** @param outside a folder of the host that the layers try to reach. */
export function hostileLayers(outside: string): Case[] {
  const up = "../".repeat(20);
  const below = outside.slice(1);
  return [
    made("absolute-path", "a file with an absolute path of the host", [file(`${outside}/planted`, "x")], undefined, {
      differs: [impliedTimes],
    }),
    made("dot-dot", "a file whose path climbs out by ..", [file(`${up}${below}/planted`, "x")], undefined, {
      differs: [impliedTimes],
    }),
    made(
      "symlink-absolute",
      "a file below a symlink to the host",
      [
        symlink("out", outside),
        file("out/planted", "x"),
      ],
      undefined,
      { differs: [impliedTimes] },
    ),
    made(
      "symlink-relative",
      "a file below a symlink that climbs out",
      [
        symlink("out", `${up}${below}`),
        file("out/planted", "x"),
      ],
      undefined,
      { differs: [impliedTimes] },
    ),
    made(
      "symlink-chain",
      "a file below three symlinks that climb step by step",
      [
        symlink("a", "../.."),
        symlink("b", "a/../.."),
        symlink("c", `b/${below}`),
        file("c/planted", "x"),
      ],
      undefined,
      { differs: [impliedTimes] },
    ),
    made("symlink-then-folder", "a folder's entry in place of a symlink to the host, with another mode", [
      symlink("out", outside),
      directory("out", 0o777, { uid: 666 }),
      file("out/victim", "mine"),
    ]),
    made("symlink-then-file", "a file's entry in place of a symlink to a file of the host", [
      symlink("out", `${outside}/victim`),
      file("out", "replaced", { mode: 0o777, uid: 666 }),
    ]),
    made("symlink-owner", "a symlink to the host with an owner, a mode and a time", [
      { path: "out", type: "2", link: `${outside}/victim`, mode: 0o777, uid: 666, gid: 666, mtime: 1 },
    ]),
    made(
      "symlink-xattr",
      "xattrs for what a symlink points to",
      [
        symlink("out", `${outside}/victim`),
        { path: "out/x", type: "0", content: "x" },
      ],
      undefined,
      { differs: [impliedTimes] },
    ),
    made(
      "magic-link",
      "a file below /proc/self/root",
      [
        symlink("magic", "/proc/self/root/etc"),
        file("magic/planted", "x"),
      ],
      undefined,
      { differs: [impliedTimes] },
    ),
    made("hardlink-absolute", "a hard link to a file of the host", [
      { path: "h", type: "1", link: `${outside}/victim` },
    ], /not in the same layer/),
    made("hardlink-dot-dot", "a hard link that climbs out", [
      { path: "h", type: "1", link: `${up}${below}/victim` },
    ], /not in the same layer/),
    made("hardlink-symlink", "a hard link through a symlink to the host", [
      symlink("out", outside),
      { path: "h", type: "1", link: "out/victim" },
    ], /not in the same layer/),
    made(
      "hardlink-folder",
      "a hard link to a folder",
      [directory("d"), { path: "h", type: "1", link: "d" }],
      /directory/,
    ),
    made("hardlink-self", "a hard link to itself", [{ path: "h", type: "1", link: "h" }], /not in the same layer/),
    made("hardlink-whiteout", "a hard link to what a whiteout leaves", [
      file(".wh.w", ""),
      { path: "h", type: "1", link: "w" },
    ], /not in the same layer/),
    made(
      "whiteout-symlink",
      "a whiteout of a file of the host, through a symlink",
      [
        symlink("out", outside),
        file("out/.wh.victim", ""),
      ],
      undefined,
      { differs: [impliedTimes] },
    ),
    made(
      "opaque-symlink",
      "an opaque mark for a folder of the host, through a symlink",
      [
        symlink("out", outside),
        file("out/.wh..wh..opq", ""),
      ],
      undefined,
      { differs: [impliedTimes] },
    ),
    made("whiteout-dot-dot", "a whiteout of ..", [directory("d"), file("d/.wh...", "")], /not a valid whiteout/),
    made("whiteout-dot", "a whiteout of .", [directory("d"), file("d/.wh..", "")], /not a valid whiteout/),
    made("whiteout-empty", "a whiteout of nothing", [file(".wh.", "")], /not a valid whiteout/),
    made("whiteout-device", "the device 0:0, which overlayfs takes for a whiteout", [
      { path: "c", type: "3", major: 0, minor: 0 },
    ], /0:0/),
    made(
      "overlay-xattrs",
      "xattrs that steer overlayfs: redirect, opaque, metacopy, origin",
      [
        directory("d", 0o755, {
          pax: {
            "SCHILY.xattr.trusted.overlay.redirect": "/etc",
            "SCHILY.xattr.trusted.overlay.opaque": "y",
            "SCHILY.xattr.user.overlay.opaque": "y",
          },
        }),
        file("f", "x", { pax: { "SCHILY.xattr.trusted.overlay.metacopy": "" } }),
      ],
      undefined,
      {
        differs: [{
          at: /^(d|f) xattrs$/,
          why: "containerd writes them to the layer as the image has them; here they are dropped",
        }],
      },
    ),
    made(
      "selinux-xattr",
      "a label that is the node's to give",
      [
        file("f", "x", { pax: { "SCHILY.xattr.security.selinux": "system_u:object_r:shadow_t:s0\0" } }),
      ],
      undefined,
      {
        differs: [{
          at: /^f xattrs$/,
          why: "labels are the node's to give (a mount option); containerd keeps the image's",
        }],
      },
    ),
    made(
      "root-symlink",
      "the root as a symlink to the host",
      [symlink("./", outside), file("planted")],
      /not a directory/,
    ),
    made("root-file", "the root as a file", [file(".", "x")], /not a directory/),
    made("root-hardlink", "the root as a hard link", [
      file("f"),
      { path: "./", type: "1", link: "f" },
    ], /not a directory/),
    made("symlink-loop", "a loop of symlinks as a parent", [
      symlink("a", "b"),
      symlink("b", "a"),
      file("a/f"),
    ], /loop of symlinks/),
    made("file-parent", "a file as a parent", [file("f"), file("f/below")], /neither a directory nor a symlink/),
    made("nul-in-name", "a name with a NUL byte", [
      file("x", "x", { pax: { path: "etc/shadow\0.txt" } }),
    ], /NUL/),
    made("empty-symlink", "a symlink to nothing", [{ path: "x", type: "2", link: "" }], /invalid target/),
    made("symlink-4096", "a symlink of 4,096 bytes, one too many", [
      { path: "x", type: "2", pax: { linkpath: "t".repeat(4096) } },
    ], /overlong/),
    made("name-256", "a name of 256 bytes", [file("x", "x", { pax: { path: "n".repeat(256) } })], /longer than 255/),
    made("too-deep", "a path over 4,096 bytes: 2,100 folders", [
      file("x", "x", { pax: { path: "n/".repeat(2100) } }),
    ], /longer than 4096/),
    made(
      "too-many-entries",
      "20,001 entries, one over the limit",
      [
        ...Array.from({ length: 20_001 }, (_, index) => file(`f-${index}`, "")),
      ],
      /more than 20000 entries/,
      { notOnPeer: "it has no limit on entries" },
    ),
    made(
      "too-many-implied",
      "20,001 folders that 11 entries imply",
      [
        ...Array.from({ length: 11 }, (_, index) => file("x", "", { pax: { path: `${index}/${"d/".repeat(1900)}f` } })),
      ],
      /more than 20000 entries/,
      { notOnPeer: "it has no limit on entries" },
    ),
    made(
      "huge-size",
      "a file that claims 2^60 bytes",
      [file("f", "x", { size: 2 ** 60 })],
      /out of range|unpacks to more/,
    ),
    made(
      "huge-size-tb",
      "a file that claims 1 TiB",
      [file("f", "x", { size: 2 ** 40 })],
      /middle of an entry|unpacks to/,
    ),
    made("negative-size", "a file of -512 bytes", [file("f", "", { size: -512 })], /out of range/),
    made("cut-in-header", "a tar that ends in a header", someTar.slice(0, 300), /middle of an entry/),
    made("cut-in-body", "a tar that ends in a body", someTar.slice(0, 100_000), /middle of an entry/),
    made(
      "cut-behind-extension",
      "a tar that ends behind a PAX header",
      tar([
        file("x", "y", { pax: { path: "long" } }),
      ]).slice(0, 1024),
      /middle of an entry/,
    ),
    made("bad-checksum", "a header whose checksum is wrong", damaged(someTar, 3), /wrong checksum/),
    made("no-tar", "a web page", new TextEncoder().encode("<html>".repeat(500)), /tar header/),
    made("unknown-type", "an entry of type V", [{ path: "x", type: "V" }], /type "V" is not supported/),
    made("owner-minus-one", "an owner of 2^32 - 1, which chown takes for no change", [
      file("x", "x", { pax: { uid: "4294967295" } }),
    ], /out of range/),
    made("owner-negative", "an owner of -1", [file("x", "x", { uid: -1 })], /out of range/),
    made("device-number", "a device number that Linux does not have", [
      { path: "c", type: "3", major: 5000, minor: 1 },
    ], /5000:1/),
    made("pax-length", "a PAX record longer than its header", [
      { path: "x", type: "x", content: "99 path=a\n" },
      file("f"),
    ], /length of a PAX record/),
    made("pax-no-length", "a PAX record without a length", [
      { path: "x", type: "x", content: "path=a\n" },
      file("f"),
    ], /no length/),
    made("pax-zero-length", "a PAX record of length 0, over and over", [
      { path: "x", type: "x", content: "0 path=a\n" },
      file("f"),
    ], /length of a PAX record/),
    made("pax-huge", "a PAX header of 2 MiB", [
      { path: "x", type: "x", content: new Uint8Array(2 << 20) },
    ], /over the limit/),
    made("long-name-huge", "a GNU long name of 2 MiB", [
      { path: "x", type: "L", content: "n".repeat(2 << 20) },
    ], /over the limit/),
    made("xattr-huge", "an xattr of 70,000 bytes", [
      file("x", "x", { pax: { "SCHILY.xattr.user.x": "y".repeat(70_000) } }),
    ], /too large/),
    made("sparse-exabyte", "a sparse file of 10^15 bytes", [
      paxSparse("1.0", "s", 1_000_000_000_000_000, []),
    ], /unpacks to more than/),
    made("sparse-million", "a sparse map of a million segments (CVE-2025-58183)", [{
      ...paxSparse("1.0", "s", 1000, []),
      content: "1000000\n0\n".padEnd(512, "\0"),
    }], /more than 100000 segments/),
    made("sparse-overlap", "a sparse file whose segments overlap", [
      paxSparse("1.0", "s", 1000, [[0, 10], [5, 10]]),
    ], /overlap/),
    made("sparse-behind-end", "a sparse file with a segment behind its end", [
      paxSparse("1.0", "s", 1000, [[995, 10]]),
    ], /behind its end/),
    { ...made("gzip-bomb", "128 MiB of zeros in 128 KB of gzip", zeros, /unpacks to more than/), notOnPeer: bomb },
    {
      ...packed(
        "zstd-bomb",
        "128 MiB of zeros in a few KB of zstd",
        new Uint8Array(zstdCompressSync(tar([file("zeros", zeros)]))),
        "zstd",
        /unpacks to more than/,
      ),
      notOnPeer: bomb,
    },
    packed("gzip-cut", "gzip that ends early", new Uint8Array(gzipSync(someTar)).slice(0, 90_000), "gzip", /./),
    packed("gzip-damaged", "gzip with a byte changed", damaged(new Uint8Array(gzipSync(someTar)), 90_000), "gzip", /./),
    packed(
      "gzip-checksum",
      "gzip whose checksum is wrong",
      damaged(new Uint8Array(gzipSync(someTar)), gzipSync(someTar).length - 6),
      "gzip",
      /check/,
    ),
    packed("zstd-cut", "zstd that ends early", new Uint8Array(zstdCompressSync(someTar)).slice(0, 90_000), "zstd", /./),
    packed(
      "zstd-damaged",
      "zstd with a byte changed",
      damaged(new Uint8Array(zstdCompressSync(someTar)), 7),
      "zstd",
      /./,
    ),
    packed(
      "wrong-diff-id",
      "a good layer under another layer's diff ID",
      new Uint8Array(gzipSync(someTar)),
      "gzip",
      /digest/,
    ),
  ];
}
