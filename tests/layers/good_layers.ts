/** Layers that are right, however odd: each must be pulled, and show what it shows on containerd. */
import { gzipSync, zstdCompressSync } from "node:zlib";
import { digestOf, image } from "../images/image.ts";
import { concat, directory, file, type Member, symlink, tar } from "../unit/images/tar_builder.ts";
import { type Case, type Difference, inherited, layerOf, newRoot, packedLayer, type Packing } from "./corpus.ts";
import { capability, posixAcl, random } from "./pieces.ts";
import { oldGnuSparse, paxSparse } from "./sparse_files.ts";

type Options = Partial<Pick<Case, "differs" | "peerRefuses" | "shows">> & { packing?: Packing };

const bytes = (text: string) => new TextEncoder().encode(text);
const latin1 = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));

/** A directory that no entry describes gets the time of the unpacking there, and is of no time at all here. */
const impliedTimes: Difference = {
  at: /^\S+ mtime$/,
  why: "a directory that is only implied has no time of its own: containerd gives it that of the pull",
};
const noTypeS = "it has no support for GNU's old sparse type";
const gnu = (type: string, content: string): Member => ({ path: "././@LongLink", type, content: content + "\0" });

function made(name: string, says: string, members: Member[] | Uint8Array, options: Options = {}): Case {
  const content = members instanceof Uint8Array ? members : tar(members);
  const { packing, ...rest } = options;
  return { name, says, image: image([layerOf(content, packing)], {}), ...rest };
}

/** The header's text fields, changed before its checksum is made. */
const patched = (offset: number, value: Uint8Array) => (header: Uint8Array) => header.set(value, offset);

export const goodLayers: Case[] = [
  made("plain", "folders and files", [directory("etc"), file("etc/hosts", "127.0.0.1 localhost\n"), file("top", "")]),
  made("no-entries", "an archive without a single entry", []),
  made("root-only", "nothing but the root, with a mode, an owner and a time", [
    directory("./", 0o2711, { uid: 5, gid: 6, mtime: 1_234_567_890 }),
  ], {
    differs: [newRoot],
    shows: { ". mode": "2711", ". owner": "5:6", ". mtime": "1234567890.000000000" },
  }),
  made("implied", "files three folders deep without an entry for any folder", [
    file("a/b/c/d", "deep"),
    file("a/e", "shallow"),
  ], { differs: [impliedTimes] }),
  made("described-late", "a folder's entry comes after what is in it", [
    file("d/f", "x"),
    directory("d", 0o700, { uid: 7, gid: 8 }),
  ]),
  made("hardlinks", "three names of a file, two written before their folder's entry", [
    file("d/one", "linked", { mode: 0o640, uid: 3 }),
    { path: "two", type: "1", link: "d/one", mode: 0o640, uid: 3 },
    { path: "d/three", type: "1", link: "two", mode: 0o640, uid: 3 },
    directory("d"),
  ]),
  made("hardlink-attributes", "a hard link whose own header has another mode and owner than the file", [
    file("one", "linked", { mode: 0o640, uid: 3 }),
    { path: "two", type: "1", link: "one", mode: 0o777, uid: 4 },
  ], {
    differs: [{
      at: /^(one|two) (mode|owner)$/,
      why: "a link is a name: here the file's own entry describes it, containerd applies the link's header to the file",
    }],
    shows: { "one mode": "640", "two owner": "3:0" },
  }),
  made("hardlink-spellings", "hard links to /d/one, ./d/one and d/../d/one", [
    directory("d"),
    file("d/one", "x"),
    { path: "a", type: "1", link: "/d/one" },
    { path: "b", type: "1", link: "./d/one" },
    { path: "c", type: "1", link: "d/../d/one" },
  ]),
  made(
    "hardlink-to-duplicate",
    "a second entry takes the first name of a linked file: the link keeps the old content",
    [
      file("one", "old"),
      { path: "two", type: "1", link: "one" },
      file("one", "new and longer"),
      { path: "three", type: "1", link: "one" },
    ],
  ),
  made("hardlink-over-file", "a hard link takes the place of a file", [
    file("one", "1"),
    file("two", "2"),
    { path: "two", type: "1", link: "one" },
  ]),
  made("hardlink-to-symlink", "a hard link to a symlink, which dangles", [
    symlink("s", "nowhere"),
    { path: "h", type: "1", link: "s" },
  ]),
  made("hardlink-to-others", "hard links to a fifo and a device", [
    { path: "fifo", type: "6", mode: 0o600 },
    { path: "null", type: "3", major: 1, minor: 3, mode: 0o666 },
    { path: "fifo-2", type: "1", link: "fifo", mode: 0o600 },
    { path: "null-2", type: "1", link: "null", mode: 0o666 },
  ]),
  made("hardlink-long-name", "a hard link whose target needs a PAX record", [
    file("x", "x", { pax: { path: `${"d".repeat(90)}/${"f".repeat(90)}` } }),
    { path: "h", type: "1", pax: { linkpath: `${"d".repeat(90)}/${"f".repeat(90)}` } },
  ], { differs: [impliedTimes] }),
  made("xattrs", "user. xattrs: several, an empty one, one with any byte, one on a folder and of 3000 bytes", [
    file("f", "x", { pax: { "SCHILY.xattr.user.a": "1", "SCHILY.xattr.user.b": latin1("\x00\xff\n=") } }),
    file("g", "x", { pax: { "SCHILY.xattr.user.empty": "", "SCHILY.xattr.user.long": "v".repeat(3000) } }),
    directory("d", 0o755, { pax: { "SCHILY.xattr.user.on-a-folder": "yes" } }),
  ]),
  made("capabilities", "security.capability on a file (ping's), with a setuid bit beside it", [
    file("ping", "x", { mode: 0o755, pax: { "SCHILY.xattr.security.capability": capability } }),
    file("both", "x", { mode: 0o4755, pax: { "SCHILY.xattr.security.capability": capability } }),
  ]),
  made("posix-acls", "POSIX ACLs: access on a file, access and default on a folder", [
    file("f", "x", { mode: 0o660, pax: { "SCHILY.xattr.system.posix_acl_access": posixAcl(1000, 6, 6) } }),
    directory("d", 0o750, {
      pax: {
        "SCHILY.xattr.system.posix_acl_access": posixAcl(1001, 5, 7),
        "SCHILY.xattr.system.posix_acl_default": posixAcl(1002, 7, 7),
      },
    }),
    file("d/inside", "x"),
  ], { differs: [inherited(/d\/inside/)] }),
  made("trusted-xattrs", "trusted. xattrs that mean nothing to overlayfs", [
    file("f", "x", { pax: { "SCHILY.xattr.trusted.md5": "abc" } }),
  ], {
    differs: [{ at: /^f xattrs$/, why: "containerd leaves out all of trusted." }],
    shows: { "f xattrs": "trusted.md5=616263," },
  }),
  made("devices", "character and block devices, large numbers", [
    { path: "null", type: "3", major: 1, minor: 3, mode: 0o666 },
    { path: "disk", type: "4", major: 8, minor: 17, mode: 0o660, gid: 6 },
    { path: "large", type: "3", major: 4095, minor: 1_048_575, mode: 0o600 },
    { path: "zero-major", type: "4", major: 0, minor: 5 },
  ]),
  made("fifo", "a fifo with a mode and an owner", [{ path: "p", type: "6", mode: 0o622, uid: 1, gid: 2 }]),
  made("mode-bits", "setuid, setgid, sticky, all twelve bits, none", [
    file("setuid", "x", { mode: 0o4755 }),
    file("setgid", "x", { mode: 0o2755, uid: 9, gid: 9 }),
    file("all", "x", { mode: 0o7777, uid: 9 }),
    file("none", "x", { mode: 0 }),
    directory("tmp", 0o1777),
    directory("group", 0o2775, { gid: 50 }),
    file("group/inside", "x"),
  ]),
  made("mode-with-type", "modes that hold a file type, as old writers have it", [
    file("f", "x", { mode: 0o100644 }),
    directory("d", 0o040755),
  ]),
  made("sparse-gnu", "GNU's old sparse file: data, a hole, data, a hole at the end", [
    ...oldGnuSparse("s", 300_000, [[0, 512], [102_400, 1000]]),
    file("after", "still read right"),
  ], { peerRefuses: noTypeS, shows: { "s size": "300000", "after size": "16" } }),
  made("sparse-gnu-extended", "GNU's old sparse file with 60 segments, so three blocks of map", [
    ...oldGnuSparse("s", 1_000_000, Array.from({ length: 60 }, (_, index) => [index * 16_384, 700])),
    file("after", "still read right"),
  ], { peerRefuses: noTypeS, shows: { "s size": "1000000", "after size": "16" } }),
  made("sparse-pax-0.0", "PAX sparse 0.0: a record for each offset and length", [
    paxSparse("0.0", "s", 50_000, [[1000, 100], [40_000, 600]]),
    file("after", "x"),
  ]),
  made("sparse-pax-0.1", "PAX sparse 0.1: the map in one record", [
    paxSparse("0.1", "s", 50_000, [[0, 100], [40_000, 600]]),
    file("after", "x"),
  ]),
  made("sparse-pax-1.0", "PAX sparse 1.0: the map in the body", [
    paxSparse("1.0", "s", 500_000, [[512, 100], [400_000, 600]]),
    file("after", "x"),
  ]),
  made("sparse-holes-only", "a sparse file of 64 MiB without any data", [
    paxSparse("1.0", "s", 64 << 20, [[64 << 20, 0]]),
  ]),
  made("gnu-long-names", "GNU long names and long link targets", [
    gnu("L", `${"n".repeat(150)}/${"m".repeat(200)}`),
    file("cut", "long name"),
    gnu("K", "t".repeat(300)),
    symlink("s", "cut"),
    gnu("L", "l".repeat(120)),
    gnu("K", "u".repeat(130)),
    symlink("both", "cut"),
  ], { differs: [impliedTimes] }),
  made("pax-long-path", "a path of 3,000 bytes in a PAX record", [
    file("x", "deep", { pax: { path: `${`${"p".repeat(99)}/`.repeat(29)}${"f".repeat(99)}` } }),
  ], { differs: [impliedTimes] }),
  made("ustar-prefix", "a path whose front is in ustar's prefix field", [
    file("name", "x", { patch: patched(345, bytes("a/longer/prefix")) }),
  ], { differs: [impliedTimes] }),
  made("name-255", "names of 255 bytes, of a file and of a folder", [
    directory("x", 0o755, { pax: { path: "d".repeat(255) + "/" } }),
    file("x", "x", { pax: { path: `${"d".repeat(255)}/${"f".repeat(255)}` } }),
  ]),
  made("global-pax", "a global PAX header with a comment, as git writes it", [
    { path: "pax_global_header", type: "g", content: "52 comment=0123456789012345678901234567890123456789\n" },
    file("f", "x"),
  ]),
  made("global-pax-owner", "a global PAX header that gives all files an owner and a time", [
    { path: "g", type: "g", content: "12 uid=1234\n12 gid=4321\n20 mtime=1000000000\n" },
    file("f", "x"),
    file("own", "x", { pax: { uid: "77" } }),
  ], {
    differs: [{
      at: /^\S+ (owner|mtime)$/,
      why: "the format says so, but Go's reader, which containerd has, drops global records",
    }],
  }),
  made(
    "symlink-lengths",
    "symlinks with targets of 1 to 4,095 bytes",
    [1, 59, 60, 100, 101, 400, 447, 448, 449, 512, 1000, 2048, 4000, 4094, 4095].map((length) =>
      length <= 100
        ? symlink(`to-${length}`, "t".repeat(length))
        : { path: `to-${length}`, type: "2", mode: 0o777, pax: { linkpath: "t".repeat(length) } }
    ),
  ),
  made("symlink-kinds", "dangling, absolute, looping symlinks, and some with xattrs of their folder's names", [
    symlink("dangling", "no/such"),
    symlink("absolute", "/etc/passwd"),
    symlink("up", "../../.."),
    symlink("a", "b"),
    symlink("b", "a"),
    symlink("dot", "."),
    { path: "owned", type: "2", link: "x", mode: 0o777, uid: 10, gid: 11, mtime: 1 },
  ]),
  made("odd-ids", "owners up to 2^32 - 2, by octal, binary and PAX", [
    file("octal", "x", { uid: 0o7777777, gid: 0o7777777 }),
    file("binary", "x", { uid: 4_000_000_000, gid: 2_147_483_648 }),
    file("pax", "x", { pax: { uid: "4294967294", gid: "3000000000" } }),
    file("nobody", "x", { uid: 65534, gid: 65534 }),
  ]),
  made("times", "times with nanoseconds, before 1970, at 0, after 2038 and 2106, cut fractions", [
    file("ns", "x", { pax: { mtime: "1700000000.123456789" } }),
    file("short", "x", { pax: { mtime: "1700000000.5" } }),
    file("long", "x", { pax: { mtime: "1700000000.1234567899999" } }),
    file("negative", "x", { pax: { mtime: "-1000000.25" } }),
    file("before", "x", { mtime: -86_400 }),
    file("zero", "x", { mtime: 0 }),
    file("2039", "x", { mtime: 2_180_000_000 }),
    file("2200", "x", { pax: { mtime: "7258118400.000000001" } }),
    directory("d", 0o755, { pax: { mtime: "1600000000.987654321" } }),
    file("d/inside", "x"),
    { path: "s", type: "2", link: "t", mode: 0o777, pax: { mtime: "1500000000.111111111" } },
  ], {
    differs: [{ at: /^(before|negative) mtime$/, why: "containerd takes every time before 1970 for 0" }],
    shows: { "before mtime": "-86400.000000000", "negative mtime": "-1000001.750000000" },
  }),
  made("duplicates", "the same file twice, the same folder twice: the last one counts", [
    file("f", "first", { mode: 0o600, pax: { "SCHILY.xattr.user.first": "1" } }),
    directory("d", 0o700),
    file("d/x", "stays"),
    file("f", "second", { uid: 2 }),
    directory("d", 0o711, { uid: 4, mtime: 1_600_000_000 }),
  ]),
  made("file-replaces-folder", "a file in place of a folder with content, then a folder again", [
    directory("a"),
    file("a/gone", "x"),
    file("a", "now a file"),
    directory("b"),
    file("b/gone", "x"),
    file("b", "a file for a moment"),
    directory("b", 0o700),
    file("b/new", "x"),
  ]),
  made("symlink-replaces-folder", "a symlink in place of a folder, and a folder in place of a symlink", [
    directory("real"),
    directory("a"),
    file("a/gone", "x"),
    symlink("a", "real"),
    file("a/through", "in real"),
    symlink("b", "real"),
    directory("b"),
    file("b/own", "x"),
  ]),
  made("symlink-parents", "entries below relative, absolute and nested symlinks", [
    directory("usr"),
    directory("usr/lib"),
    symlink("lib", "usr/lib"),
    symlink("lib64", "/usr/lib"),
    symlink("usr/lib/self", "../lib/./"),
    file("lib/one", "1"),
    file("lib64/two", "2"),
    file("lib/self/self/three", "3"),
    { path: "lib/link", type: "1", link: "lib64/one" },
  ]),
  made("symlink-to-missing-parent", "an entry below a symlink whose target comes only with it", [
    symlink("link", "target/below"),
    file("link/f", "x"),
  ], { differs: [impliedTimes] }),
  made("odd-names", "spaces, line ends, colons, commas, backslashes, dashes, bytes that are no UTF-8", [
    ..." |a b|new\nline|a:b,c=d|back\\slash|-rf|*|\t|\x01\x7f|..a|...|'\"".split("|").map((name) => file(name, name)),
    file(latin1("latin1-\xe4\xf6\xfc"), "no UTF-8"),
    file(latin1("\xff\xfe"), "no UTF-8 at all"),
    file("x", "combined", { pax: { path: "e\u0301-\u00e9-日本語" } }),
  ]),
  made("path-spellings", "./ in front, doubled and trailing slashes, a leading slash, .. inside", [
    directory("./d"),
    file("./d//one", "1"),
    file("/d/two", "2"),
    file("d/../d/./three", "3"),
    directory("e///"),
    file("//e//four", "4"),
  ]),
  made("sizes", "files around the borders of blocks and pages", [
    ...[0, 1, 511, 512, 513, 1023, 1024, 1025, 4095, 4096, 4097, 65_535, 65_536, 100_000].map((size) =>
      file(`of-${size}`, random(size, size))
    ),
  ]),
  made("one-large", "a file of 8 MB that does not pack", [file("large", random(8 << 20, 8))]),
  made("many-names", "a folder with 3,000 files, so that it takes many blocks", [
    directory("d"),
    ...Array.from({ length: 3000 }, (_, index) => file(`d/file-${index}`, String(index))),
  ]),
  made("deep-folders", "folders 300 deep, each with an entry", [
    ...Array.from({ length: 300 }, (_, depth) => directory("x", 0o755, { pax: { path: "d/".repeat(depth + 1) } })),
    file("x", "bottom", { pax: { path: "d/".repeat(300) + "f" } }),
  ]),
  made("v7", "an archive in the format of before 1988: no magic, folders by their slash, type NUL", [
    file("old/", "", { type: "\0", mode: 0o755, patch: patched(257, new Uint8Array(8)) }),
    file("old/file", "v7", { type: "\0", patch: patched(257, new Uint8Array(8)) }),
  ]),
  made("contiguous", "a contiguous file (type 7), and a folder with a size that means nothing", [
    file("f", "contiguous", { type: "7" }),
    directory("d"),
  ], {
    peerRefuses: "it does not know the type, which any tar may write",
    shows: { "f size": "10" },
  }),
  made("no-end", "an archive that ends with its last entry, without the two zero blocks", tar([file("f", "x")], false)),
  made("junk-behind-end", "bytes behind the end of the archive", concat([tar([file("f", "x")]), random(5000, 3)])),
  made("pax-size", "a PAX record gives the size, the header says 0", [
    file("f", "twelve bytes", { size: 0, pax: { size: "12" } }),
    file("after", "x"),
  ]),
  made("pax-taken-back", "an empty PAX record takes back nothing: the header counts", [
    file("f", "x", { uid: 5, pax: { uid: "", path: "" } }),
  ]),
  made("whiteout-alone", "whiteouts where there is nothing below", [
    directory("d"),
    file("d/.wh.gone", ""),
    file(".wh.top", ""),
    file("d/stays", "x"),
  ]),
  made("opaque-alone", "an opaque mark where there is nothing below", [
    directory("d", 0o711),
    file("d/.wh..wh..opq", ""),
    file("d/stays", "x"),
  ]),
  made("whiteout-and-entry", "a whiteout before and after an entry of the same name in one layer", [
    file(".wh.before", ""),
    file("before", "stays"),
    file("after", "stays"),
    file(".wh.after", ""),
  ], {
    differs: [{
      at: /^after \*$/,
      why:
        "a whiteout speaks of lower layers (image spec), containerd lets it take away what came before it in its own",
    }],
  }),
  made("aufs-metadata", "aufs's own files, which are no content", [
    directory(".wh..wh.plnk"),
    file(".wh..wh.plnk/1.2", "x"),
    file(".wh..wh.aufs", ""),
    directory("d"),
    file("d/f", "x"),
  ], {
    differs: [{ at: /^\.wh\.\.wh\.plnk(\/1\.2)? \*$/, why: "aufs's store of links is no content of the image" }],
  }),
  made("zstd", "packed with zstd", [file("f", random(300_000, 5)), directory("d")], { packing: "zstd" }),
  made("unpacked", "not packed at all", [file("f", random(30_000, 6)), directory("d")], { packing: "none" }),
  inParts("gzip-members", "gzip in three members", "gzip", gzipSync),
  inParts("zstd-frames", "zstd in three frames, a skippable one between them", "zstd", zstdFrame),
];

function zstdFrame(part: Uint8Array): Uint8Array {
  const skippable = new Uint8Array([0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4]);
  return concat([new Uint8Array(zstdCompressSync(part)), skippable]);
}

function inParts(name: string, says: string, packing: Packing, pack: (part: Uint8Array) => Uint8Array): Case {
  const whole = tar([file("f", random(100_000, 9)), file("g", "x")]);
  const parts = [whole.subarray(0, 700), whole.subarray(700, 50_000), whole.subarray(50_000)];
  const packed = concat(parts.map((part) => new Uint8Array(pack(part))));
  return { name, says, image: image([packedLayer(packed, digestOf(whole), packing)], {}) };
}
