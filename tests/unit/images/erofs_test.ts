import { Buffer } from "node:buffer";
import { assertEquals, assertRejects } from "@std/assert";
import "../real_kernel.ts";
import { kernel } from "../../../src/sys/mod.ts";
import { describeTree, mountLayer, run, writeLayer } from "./erofs_support.ts";
import { concat, directory, file, type Member, symlink, tar } from "./tar_builder.ts";

const root = { ignore: Deno.uid() !== 0 };
const CAPABILITY = new Uint8Array([1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);

/** Unpacks with GNU tar and compares; the members must describe their own parents, whose times GNU tar leaves alone. */
async function sameAsGnuTar(bytes: Uint8Array, step?: number): Promise<void> {
  await using layer = await mountLayer(bytes, step);
  const reference = `${layer.folder}/reference`;
  await Deno.mkdir(reference);
  await Deno.writeFile(`${layer.folder}/layer.tar`, bytes);
  await run(
    "tar",
    "--xattrs",
    "--xattrs-include=*",
    "--numeric-owner",
    "-C",
    reference,
    "-xpf",
    `${layer.folder}/layer.tar`,
  );
  assertEquals(await describeTree(layer.root), await describeTree(reference));
}

const CORPUS: [string, Member[]][] = [
  ["files of all sizes around blocks and pages", [
    directory("./"),
    ...[0, 1, 511, 512, 513, 4095, 4096, 4097, 100_000].map((size) =>
      file(`f${size}`, new Uint8Array(size).fill(size & 0xff))
    ),
  ]],
  ["modes, owners and times", [
    directory("./", 0o711, { uid: 7, gid: 8 }),
    directory("sticky", 0o1777),
    directory("setgid", 0o2775, { gid: 50 }),
    file("setuid", "x", { mode: 0o4755 }),
    file("none", "x", { mode: 0 }),
    file("big-ids", "x", { uid: 1_234_567, gid: 2_999_999 }),
    file("max-ids", "x", { uid: 0xfffffffe, gid: 0xfffffffe }),
    file("old", "x", { mtime: 0 }),
    file("before-1970", "x", { pax: { mtime: "-5.25" } }),
    file("nanoseconds", "x", { pax: { mtime: "1700000000.123456789" } }),
    file("year-2100", "x", { mtime: 4_102_444_800 }),
  ]],
  ["symlinks short and long", [
    directory("./"),
    symlink("short", "x"),
    symlink("absolute", "/usr/bin"),
    ...[400, 447, 448, 449, 480, 511, 512, 600, 1000, 4000].map((length): Member => ({
      path: `link${length}`,
      type: "2",
      link: "l",
      pax: { linkpath: "y".repeat(length) },
      mode: 0o777,
    })),
  ]],
  ["hard links, also to each other and to symlinks", [
    directory("./"),
    file("a", "content"),
    { path: "b", type: "1", link: "a" },
    { path: "c", type: "1", link: "./b" },
    symlink("s", "a"),
    { path: "t", type: "1", link: "s" },
  ]],
  ["devices and fifos", [
    directory("./"),
    { path: "null", type: "3", major: 1, minor: 3, mode: 0o666 },
    { path: "loop", type: "4", major: 7, minor: 0, mode: 0o660, gid: 6 },
    { path: "large", type: "4", major: 259, minor: 70_000, mode: 0o600 },
    { path: "fifo", type: "6", mode: 0o600 },
  ]],
  ["long names by PAX and prefix", [
    directory("./"),
    directory("x".repeat(200), 0o755, { path: "d", pax: { path: "x".repeat(200) } }),
    file("d", "long", { pax: { path: `${"x".repeat(200)}/${"y".repeat(255)}` } }),
    directory("prefix"),
    file("name", "by prefix", { patch: (header) => header.set(new TextEncoder().encode("prefix"), 345) }),
  ]],
  ["deep folders", [
    directory("./"),
    ...Array.from({ length: 300 }, (_, depth) => {
      const path = Array(depth + 1).fill("d").join("/");
      return directory("d", 0o755, { pax: { path } });
    }),
  ]],
  ["a folder of thousands of names", [
    directory("./"),
    directory("many"),
    ...Array.from({ length: 700 }, (_, index) => file(`many/${"n".repeat(index % 60)}-${index}`, `${index}`)),
  ]],
  ["names in any bytes", [
    directory("./"),
    file(new Uint8Array([0x66, 0xff, 0xfe, 0x80]), "not UTF-8"),
    file("ünïcødé-文件", "UTF-8"),
    file("new\nline", "x"),
    file("back\\slash", "x"),
    directory(new Uint8Array([0xc3, 0x28])),
    file(new Uint8Array([0xc3, 0x28, 0x2f, 0x61]), "below"),
  ]],
  ["PAX sizes and owners over the header's", [
    directory("./"),
    file("sized", "12345", { size: 0, pax: { size: "5" } }),
    file("owned", "x", { uid: 1, gid: 1, pax: { uid: "70000", gid: "80000" } }),
  ]],
  ["global PAX headers", [
    directory("./"),
    { path: "g", type: "g", content: "20 mtime=1500000000\n" },
    file("one"),
    file("two", "x", { pax: { mtime: "1600000000" } }),
  ]],
  ["an entry twice: the last counts", [
    directory("./"),
    file("dup", "first"),
    { path: "other", type: "1", link: "dup" },
    file("dup", "second", { mode: 0o600 }),
  ]],
];

for (const [what, members] of CORPUS) {
  Deno.test(`LayerWriter: ${what}, as GNU tar unpacks it (root)`, root, () => sameAsGnuTar(tar(members)));
}

Deno.test("LayerWriter: the same image from pieces of any size", async () => {
  const folder = await Deno.makeTempDir();
  const bytes = tar(CORPUS.flatMap(([, members]) => members.filter(({ path }) => path !== "./")));
  const images: Uint8Array[] = [];
  for (const step of [1 << 20, 512, 1000, 77]) {
    await writeLayer(bytes, `${folder}/image`, undefined, step);
    images.push(await Deno.readFile(`${folder}/image`));
  }
  for (const image of images) assertEquals(Buffer.compare(image, images[0]), 0);
  assertEquals(Buffer.compare(images[0].slice(4096, 4096 + bytes.length), bytes), 0);
  await Deno.remove(folder, { recursive: true });
});

for (const format of ["gnu", "pax", "ustar", "oldgnu", "v7"]) {
  Deno.test(`LayerWriter: a tree archived by GNU tar in the format ${format} (root)`, root, async () => {
    const folder = await Deno.makeTempDir();
    const tree = `${folder}/tree`;
    await Deno.mkdir(`${tree}/${format === "v7" ? "d" : "d".repeat(90)}/e`, { recursive: true });
    await Deno.writeTextFile(`${tree}/${format === "v7" ? "d" : "d".repeat(90)}/e/file`, "content");
    if (format !== "v7") await Deno.writeTextFile(`${tree}/${"n".repeat(99)}`, "name");
    if (format === "gnu" || format === "pax") await Deno.symlink("t".repeat(300), `${tree}/${"l".repeat(200)}`);
    await Deno.symlink("target", `${tree}/link`);
    await Deno.link(`${tree}/link`, `${tree}/hard`);
    await run("tar", `--format=${format}`, "-C", tree, "-cf", `${folder}/tree.tar`, ".");
    const bytes = await Deno.readFile(`${folder}/tree.tar`);
    await Deno.remove(folder, { recursive: true });
    await sameAsGnuTar(bytes);
  });
}

for (
  const [name, options] of [["old GNU", ["--format=gnu"]], ["PAX 0.0", ["--format=pax", "--sparse-version=0.0"]], [
    "PAX 0.1",
    ["--format=pax", "--sparse-version=0.1"],
  ], ["PAX 1.0", ["--format=pax", "--sparse-version=1.0"]]] as const
) {
  Deno.test(`LayerWriter: sparse files in the form of ${name}, with few and with many holes (root)`, root, async () => {
    const folder = await Deno.makeTempDir();
    const tree = `${folder}/tree`;
    await Deno.mkdir(tree);
    await sparse(`${tree}/few`, [[0, 100], [1 << 20, 5000]], 3 << 20);
    await sparse(
      `${tree}/many`,
      Array.from({ length: 60 }, (_, index): [number, number] => [index * 65_536, 4096]),
      60 * 65_536 + 17,
    );
    await sparse(`${tree}/hollow`, [], 1 << 20);
    await Deno.writeTextFile(`${tree}/zz-after`, "still in step");
    await run("tar", ...options, "--sparse", "-C", tree, "-cf", `${folder}/tree.tar`, ".");
    const bytes = await Deno.readFile(`${folder}/tree.tar`);
    await Deno.remove(folder, { recursive: true });
    await sameAsGnuTar(bytes, 1000);
  });
}

async function sparse(path: string, segments: [number, number][], size: number): Promise<void> {
  using file = await Deno.open(path, { write: true, create: true });
  for (const [offset, length] of segments) {
    await file.seek(offset, Deno.SeekMode.Start);
    await file.write(new Uint8Array(length).fill(0x41 + (offset % 13)));
  }
  await file.truncate(size);
}

Deno.test(
  "LayerWriter keeps xattrs that belong to the image and drops those that steer overlayfs or SELinux (root)",
  root,
  async () => {
    const xattr = (name: string, value: Uint8Array | string = "v") => ({ [`SCHILY.xattr.${name}`]: value });
    await using layer = await mountLayer(tar([
      directory("./"),
      file("ping", "x", {
        pax: {
          ...xattr("security.capability", CAPABILITY),
          ...xattr("user.kept", "yes"),
          ...xattr("trusted.kept", "yes"),
          ...xattr("trusted.overlay.redirect", "/etc"),
          ...xattr("trusted.overlay.metacopy", ""),
          ...xattr("user.overlay.opaque", "y"),
          ...xattr("security.selinux", "system_u:object_r:etc_t:s0"),
        },
      }),
      directory("d", 0o755, {
        pax: { ...xattr("trusted.overlay.opaque", "y"), ...xattr("user.long", "z".repeat(3000)) },
      }),
    ]));
    assertEquals(kernel.listxattr(`${layer.root}/ping`).sort(), ["security.capability", "trusted.kept", "user.kept"]);
    assertEquals(kernel.getxattr(`${layer.root}/ping`, "security.capability"), CAPABILITY);
    assertEquals(kernel.listxattr(`${layer.root}/d`), ["user.long"]);
    assertEquals(kernel.getxattr(`${layer.root}/d`, "user.long")?.length, 3000);
  },
);

Deno.test(
  "LayerWriter turns whiteouts into overlayfs's own marks, whatever order they come in (root)",
  root,
  async () => {
    await using layer = await mountLayer(tar([
      directory("./"),
      file("gone/.wh.file", ""),
      file("opaque/new", "n"),
      file("opaque/.wh..wh..opq", ""),
      // A name that is whited out and there as well hides the lower one.
      file(".wh.both-file", ""),
      file("both-file", "x"),
      directory("both-directory"),
      file(".wh.both-directory", ""),
      file(".wh.later", ""),
      file("later/below", "x"),
      // aufs's own files say nothing.
      directory(".wh..wh.plnk", 0o700),
      file(".wh..wh.plnk/1.2", "x"),
      file(".wh..wh.aufs", ""),
    ]));
    const { mode, rdev } = kernel.lstat(`${layer.root}/gone/file`);
    assertEquals([mode & 0o170000, rdev], [0o020000, 0n]);
    const opaque = (path: string) =>
      new TextDecoder().decode(kernel.getxattr(`${layer.root}/${path}`, "trusted.overlay.opaque"));
    assertEquals(["opaque", "both-directory", "later", "gone"].map(opaque), ["y", "y", "y", ""]);
    assertEquals(kernel.readText(`${layer.root}/both-file`), "x");
    const names = kernel.readDirectory(layer.root).map(({ name }) => name).sort();
    assertEquals(names, ["both-directory", "both-file", "gone", "later", "opaque"]);
    assertEquals(layer.written.impliedDirectories.sort(), ["gone", "later", "opaque"]);
    assertEquals(layer.written.whiteoutDirectories, ["gone"]);
  },
);

Deno.test(
  "LayerWriter replaces files by folders and folders by files within a layer, and follows its own symlinks (root)",
  root,
  async () => {
    await using layer = await mountLayer(tar([
      directory("./"),
      directory("was-directory"),
      file("was-directory/f"),
      file("was-directory", "now a file"),
      file("was-file"),
      directory("was-file", 0o700),
      file("was-file/in", "in"),
      symlink("was-link", "/etc"),
      directory("was-link", 0o711),
      directory("usr/lib"),
      symlink("lib", "usr/lib"),
      symlink("abs", "/usr/../usr/./lib"),
      file("lib/x", "through lib"),
      file("abs/y", "through abs"),
      symlink("dangling", "not/there"),
      file("dangling/z", "made"),
      file("a/../b/./c", "cleaned"),
      file("/../../root", "stays inside"),
    ]));
    const text = (path: string) => kernel.readText(`${layer.root}/${path}`);
    assertEquals(text("was-directory"), "now a file");
    assertEquals(text("was-file/in"), "in");
    assertEquals(kernel.lstat(`${layer.root}/was-link`).mode, 0o040711);
    assertEquals([text("usr/lib/x"), text("usr/lib/y"), text("not/there/z"), text("b/c"), text("root")], [
      "through lib",
      "through abs",
      "made",
      "cleaned",
      "stays inside",
    ]);
  },
);

Deno.test("LayerWriter takes an empty PAX value for none, so that the header counts (root)", root, async () => {
  await using layer = await mountLayer(tar([file("f", "x", { uid: 3, pax: { uid: "" } })]));
  assertEquals(kernel.lstat(`${layer.root}/f`).uid, 3);
});

Deno.test("LayerWriter makes an image of an empty tar, and of one that lacks its end (root)", root, async () => {
  for (const bytes of [new Uint8Array(), new Uint8Array(512), new Uint8Array(10_240), tar([directory("./")], false)]) {
    await using layer = await mountLayer(bytes);
    assertEquals(kernel.readDirectory(layer.root), []);
  }
});

Deno.test("LayerWriter makes a file over 4 GiB whose end can be read (root)", root, async () => {
  // PAX 1.0 by hand: one byte, far out.
  const size = 5 * 2 ** 30;
  const map = new Uint8Array(512);
  map.set(new TextEncoder().encode(`1\n${size - 1}\n1\n`));
  const pax = {
    "GNU.sparse.major": "1",
    "GNU.sparse.minor": "0",
    "GNU.sparse.name": "huge",
    "GNU.sparse.realsize": String(size),
  };
  const bytes = tar([directory("./"), file("GNUSparseFile.0/huge", concat([map, new Uint8Array([0x45])]), { pax })]);
  const folder = await Deno.makeTempDir();
  await assertRejects(() => writeLayer(bytes, `${folder}/image`), Error, "unpacks to more than");
  await writeLayer(bytes, `${folder}/image`, { entries: 10, inflatedBytes: 6 * 2 ** 30 });
  await Deno.mkdir(`${folder}/m`);
  kernel.mount(`${folder}/image`, `${folder}/m`, "erofs", 1);
  try {
    assertEquals(kernel.stat(`${folder}/m/huge`).size, size);
    const fd = kernel.open(`${folder}/m/huge`, 0);
    const byte = new Uint8Array(4);
    assertEquals(kernel.pread(fd, byte, size - 4), 4);
    kernel.close(fd);
    assertEquals([...byte], [0, 0, 0, 0x45]);
    assertEquals(kernel.stat(`${folder}/image`).blocks < 1000, true);
  } finally {
    await kernel.umount(`${folder}/m`, 2);
    await kernel.removeTree(folder);
  }
});
