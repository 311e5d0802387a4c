/** Images of several layers: what one layer does to what lies below. */
import { image } from "../images/image.ts";
import { directory, file, type Member, symlink, tar } from "../unit/images/tar_builder.ts";
import { bareWhiteouts, type Case, type Difference, inherited, layerOf, newRoot, type Packing } from "./corpus.ts";
import { capability, posixAcl, random } from "./pieces.ts";

type Options = Partial<Pick<Case, "differs" | "refused" | "shows">> & { packing?: Packing[] };

function made(name: string, says: string, layers: Member[][], { packing, ...rest }: Options = {}): Case {
  const packed = layers.map((members, index) => layerOf(tar(members), packing?.[index]));
  return { name, says, image: image(packed, {}), ...rest };
}

const impliedTimes = (paths: RegExp): Difference => ({
  at: new RegExp(`^(${paths.source}) mtime$`),
  why: "a directory that the top layer only implies keeps the time it has below; containerd's gets that of the pull",
});

const base: Member[] = [
  directory("./", 0o755, { mtime: 1_600_000_000 }),
  directory("bin"),
  file("bin/sh", random(20_000, 1), { mode: 0o755 }),
  { path: "bin/ash", type: "1", link: "bin/sh", mode: 0o755 },
  directory("etc"),
  file("etc/passwd", "root:x:0:0\n"),
  directory("etc/conf.d", 0o750, { gid: 12 }),
  file("etc/conf.d/one", "1"),
  file("etc/conf.d/two", "2"),
  directory("tmp", 0o1777),
  directory("home"),
  file("home/user/notes", "private", { uid: 1000, gid: 1001, mode: 0o600 }),
  directory("home/user", 0o700, {
    uid: 1000,
    gid: 1001,
    mtime: 1_500_000_000,
    pax: { "SCHILY.xattr.user.home": "yes", "SCHILY.xattr.system.posix_acl_default": posixAcl(1000, 7, 7) },
  }),
  directory("usr"),
  directory("usr/lib"),
  file("usr/lib/libc.so", random(5000, 2)),
  symlink("lib", "usr/lib"),
];

export const layeredImages: Case[] = [
  made("whiteouts", "files, links, folders and a symlink of the layer below are gone", [base, [
    file("etc/.wh.passwd", ""),
    file("bin/.wh.ash", ""),
    file(".wh.home", ""),
    file(".wh.lib", ""),
  ]], { differs: [impliedTimes(/etc|bin/)] }),
  made("whiteouts-of-nothing", "whiteouts of what no lower layer has: in a folder below, in a new one, at the top", [
    base,
    [
      directory("new"),
      file("new/.wh.never", ""),
      file("new/stays", "x"),
      file("etc/.wh.never", ""),
      file(".wh.never", ""),
      file("implied/below/.wh.never", ""),
    ],
  ], { differs: [impliedTimes(/etc|implied|implied\/below/), bareWhiteouts(/(new|implied\/below)\/never/)] }),
  made("opaque", "an opaque folder hides what is below, and has its own", [base, [
    directory("etc", 0o711),
    file("etc/.wh..wh..opq", ""),
    file("etc/passwd", "other"),
    directory("home/user", 0o755, { uid: 1 }),
    file("home/user/.wh..wh..opq", ""),
  ]], { differs: [impliedTimes(/home/)] }),
  made("opaque-last", "an opaque mark that comes behind the entries of its folder", [base, [
    directory("etc", 0o755),
    file("etc/hosts", "new"),
    file("etc/conf.d/three", "3"),
    file("etc/.wh..wh..opq", ""),
  ]], {
    differs: [impliedTimes(/etc\/conf\.d/), {
      at: /^etc\/conf\.d (mode|owner)$/,
      why: "nobody describes the new folder: here it is 0755 of root, containerd copies the hidden one's",
    }],
  }),
  made("opaque-implied", "an opaque mark in a folder that the layer only implies", [base, [
    file("etc/conf.d/.wh..wh..opq", ""),
    file("etc/conf.d/three", "3"),
  ]], {
    differs: [impliedTimes(/etc|etc\/conf\.d/), {
      at: /^etc\/conf\.d (mode|owner)$/,
      why: "nobody describes the new folder: here it is 0755 of root, containerd copies the hidden one's",
    }],
  }),
  made("files-and-folders", "files in place of folders and back, over four layers", [
    base,
    [file("etc", "a file now"), directory("bin/sh"), file("bin/sh/inside", "x")],
    [directory("etc", 0o700), file("etc/new", "x"), file("bin/sh", "a file again", { mode: 0o700 })],
    [symlink("etc", "usr"), file("home", "x")],
  ], { differs: [impliedTimes(/bin/)] }),
  made("whiteout-and-again", "a folder goes in one layer and comes again in the next, and in the same", [
    base,
    [file(".wh.etc", ""), file(".wh.home", "")],
    [directory("etc", 0o700), file("etc/again", "x")],
    [file(".wh.usr", ""), directory("usr"), file("usr/again", "x")],
  ], {
    differs: [{
      at: /^usr\/lib\S* \*$/,
      why: "containerd forgets a whiteout when its folder comes again in the same layer, and shows what was removed",
    }],
  }),
  made(
    "implied-over-layers",
    "/tmp 1777, a 0700 home with an owner and an ACL, three levels: a layer only implies them",
    [
      base,
      [
        file("tmp/file", "x"),
        file("home/user/deep/er/file", "x", { uid: 1000 }),
        file("etc/conf.d/three", "3"),
      ],
      [file("home/user/deep/other", "x"), file("tmp/more/file", "x")],
    ],
    { differs: [impliedTimes(/\S+/), inherited(/home\/user\/deep\S*/)] },
  ),
  made(
    "symlink-parents",
    "an upper layer writes below what is a symlink in the lower: a folder of its own takes its place",
    [
      base,
      [file("lib/added.so", "x")],
    ],
    { differs: [impliedTimes(/lib/)] },
  ),
  made("hardlink-below", "a hard link to a file of a lower layer", [base, [
    { path: "bin/bash", type: "1", link: "bin/sh" },
  ]], { refused: /not in the same layer/ }),
  made("hardlinks-replaced", "one of several names is replaced above, the others keep the old file", [base, [
    file("bin/ash", "new", { mode: 0o700 }),
  ]], { differs: [impliedTimes(/bin/)] }),
  made("attributes", "folders and the root get other modes, owners, times and xattrs above", [base, [
    directory("./", 0o700, { uid: 3, gid: 4, mtime: 1_650_000_000, pax: { "SCHILY.xattr.user.root": "1" } }),
    directory("home/user", 0o711, { uid: 5, mtime: 1_400_000_000 }),
    directory("etc", 0o555),
  ]], {
    differs: [impliedTimes(/home/), newRoot],
    shows: { ". mode": "700", ". owner": "3:4", ". xattrs": "user.root=31," },
  }),
  made("root-below", "the root is described in the lowest layer alone, with an odd mode and owner", [
    [directory("./", 0o711, { uid: 7, gid: 8, mtime: 1_111_111_111 }), file("a", "1")],
    [file("b", "2")],
    [file("c", "3")],
  ], { differs: [newRoot], shows: { ". mode": "711", ". owner": "7:8", ". mtime": "1111111111.000000000" } }),
  made("capabilities", "a file with a capability is replaced by one without, and the other way round", [
    [
      file("a", "x", { mode: 0o755, pax: { "SCHILY.xattr.security.capability": capability } }),
      file("b", "x", { mode: 0o4755 }),
    ],
    [
      file("a", "x", { mode: 0o755 }),
      file("b", "x", { mode: 0o755, pax: { "SCHILY.xattr.security.capability": capability } }),
    ],
  ]),
  made("packings", "gzip, zstd and plain layers in one image, one of them empty", [
    base,
    [file("z", random(50_000, 4))],
    [],
    [file("n", random(50_000, 5))],
  ], { packing: ["gzip", "zstd", "gzip", "none"] }),
  made("same-layer-twice", "a layer that lies above and below another", [
    [file("a", "below"), file("b", "below")],
    [file("a", "between"), file(".wh.b", "")],
    [file("a", "below"), file("b", "below")],
  ]),
  made("forty-layers", "forty layers, each with a file of its own, a shared one and a whiteout of the last one's", [
    ...Array.from({ length: 40 }, (_, index): Member[] => [
      directory("d"),
      file(`d/layer-${index}`, String(index)),
      file("d/shared", `of ${index}`),
      ...index > 0 ? [file(`d/.wh.layer-${index - 1}`, "")] : [],
    ]),
  ]),
  made("deep-whiteouts", "whiteouts three folders deep that the layer only implies", [base, [
    file("home/user/.wh.notes", ""),
    file("usr/lib/.wh.libc.so", ""),
  ], [file("usr/lib/sub/.wh.x", "")]], {
    differs: [impliedTimes(/\S+/), bareWhiteouts(/usr\/lib\/sub\/x/)],
  }),
];
