import { assertEquals, assertThrows } from "@std/assert";
import { SUPERBLOCK_AREA, writeImage } from "../../../../src/images/erofs/image.ts";
import { Inode, S_IFCHR, S_IFDIR, S_IFLNK, S_IFREG } from "../../../../src/images/erofs/inode.ts";
import { ImageReader, type StoredInode } from "../../../../src/images/erofs/reader.ts";
import { BufferOutput } from "../../../../src/images/mount/buffer_output.ts";
import { walkImage } from "../../../../src/images/unpack/walk_image.ts";

function inode(mode: number, fields: Partial<Inode> = {}): Inode {
  return Object.assign(new Inode(mode), fields);
}

function folder(children: Record<string, Inode> = {}): Inode {
  const directory = inode(S_IFDIR | 0o755);
  for (const [name, child] of Object.entries(children)) directory.children!.set(name, child);
  return directory;
}

/** A file whose content is the first bytes behind the superblock. */
const file = (size = 5) => inode(S_IFREG | 0o644, { size, dataOffset: SUPERBLOCK_AREA });

function imageOf(root: Inode): Uint8Array {
  const output = new BufferOutput();
  const { length } = writeImage(root, output, SUPERBLOCK_AREA + 512, new Uint8Array(16));
  return output.bytes(length).slice();
}

function readerOf(bytes: Uint8Array): ImageReader {
  return new ImageReader({
    length: bytes.length,
    read: (into, offset) => into.set(bytes.subarray(offset, offset + into.length)),
  });
}

/** What is visited, in order; paths by the names of the directories that are open. */
function walk(bytes: Uint8Array, maxEntries = 1_000): string[] {
  const seen: string[] = [];
  const path: string[] = [];
  const at = (name: string) => [...path.slice(1), name].join("/");
  walkImage(readerOf(bytes), {
    enter: (name) => void path.push(name),
    leave: (name, { mode }: StoredInode) => {
      path.pop();
      seen.push(`${path.length === 0 ? "." : at(name)} ${mode.toString(8)}`);
    },
    leaf: (name, { mode, size }, shared) => seen.push(`${at(name)} ${mode.toString(8)} ${size}${shared ? "+" : ""}`),
    link: (name, { node }) => seen.push(`${at(name)} = ${node}`),
  }, maxEntries);
  return seen;
}

Deno.test("walkImage() visits all that writeImage() wrote, a directory after what is in it", () => {
  const linked = file(3);
  const bytes = imageOf(folder({
    "a": folder({ "b": folder(), "link": linked }),
    "also": linked,
    "dev": inode(S_IFCHR | 0o600, { major: 4095, minor: 1_048_575 }),
    "s": inode(S_IFLNK | 0o777, { target: "t".repeat(600) }),
  }));
  const seen = walk(bytes);
  assertEquals(seen.filter((line) => line.includes(" = ")).length, 1);
  assertEquals(seen.filter((line) => !line.includes(" = ")), [
    "a/b 40755",
    "a/link 100644 3+",
    "a 40755",
    "dev 20600 0",
    "s 120777 600",
    ". 40755",
  ]);
  const names: string[] = [];
  const reader = readerOf(bytes);
  walkImage(reader, {
    enter: () => {},
    leave: () => {},
    link: () => {},
    leaf: (name, node) => {
      if (name === "dev") names.push(`${node.major}:${node.minor}`);
      if (name === "s") names.push(new TextDecoder().decode(reader.target(node)));
    },
  }, 100);
  assertEquals(names, ["4095:1048575", "t".repeat(600)]);
});

Deno.test("walkImage() keeps owners, times and xattrs to the last bit, and names of any bytes", () => {
  const value = new Uint8Array([0, 255, 1]);
  const one = Object.assign(file(), {
    uid: 0xfffffffe,
    gid: 2_999_999,
    mtimeSeconds: -5,
    mtimeNanoseconds: 999_999_999,
    xattrs: [{ name: "user.a", value }, { name: "system.posix_acl_access", value }, {
      name: "security.capability",
      value: new Uint8Array(),
    }],
  });
  const bytes = imageOf(folder({ "\xff\xfe\n": one }));
  let found: StoredInode | undefined;
  walkImage(readerOf(bytes), {
    enter: () => {},
    leave: () => {},
    link: () => {},
    leaf: (name, node) => {
      assertEquals(name, "\xff\xfe\n");
      found = node;
    },
  }, 1);
  const { uid, gid, mtimeSeconds, mtimeNanoseconds, xattrs } = found!;
  assertEquals([uid, gid, mtimeSeconds, mtimeNanoseconds], [0xfffffffe, 2_999_999, -5, 999_999_999]);
  assertEquals(xattrs, one.xattrs);
});

Deno.test("walkImage() refuses names that are none, of a writer that was taken over", () => {
  for (const name of ["a/b", "../x", "/etc", "", "x\0y", "n".repeat(256)]) {
    assertThrows(() => walk(imageOf(folder({ [name]: file() }))), Error, "cannot be the name of a file");
  }
  // These stand for a directory itself and the one above it, and are passed over, whatever they point to.
  const seen = walk(imageOf(folder({ "x": folder({ "..": file() }) })));
  assertEquals(seen, ["x 40755", ". 40755"]);
});

Deno.test("walkImage() refuses xattrs that steer overlayfs", () => {
  for (const name of ["trusted.overlay.redirect", "trusted.overlay.metacopy", "user.overlay.opaque"]) {
    const one = Object.assign(file(), { xattrs: [{ name, value: new Uint8Array([1]) }] });
    assertThrows(() => walk(imageOf(folder({ one }))), Error, "which no layer may have");
  }
  const opaque = folder();
  opaque.opaque = true;
  assertEquals(walk(imageOf(folder({ opaque }))).length, 2);
});

Deno.test("walkImage() refuses directories that are in two places, so a loop comes to an end", () => {
  const twice = folder({ inside: file() });
  assertThrows(() => walk(imageOf(folder({ a: twice, b: twice }))), Error, "is in two places");
  const bytes = imageOf(folder({ a: folder({ b: folder() }) }));
  const view = new DataView(bytes.buffer);
  // The last directory block is that of a/b's parent or of b: any name in it that is made to mean the root is a loop.
  const metadata = view.getUint32(1024 + 40, true) * 512;
  const reader = readerOf(bytes);
  const a = reader.inode([...reader.entries(reader.inode(reader.root))][0].node);
  assertEquals(a.dataOffset > metadata, true);
  view.setBigUint64(a.dataOffset + 2 * 12, 0n, true);
  assertThrows(() => walk(bytes), Error, "is in two places");
});

Deno.test("walkImage() refuses what takes more room than there is, and more entries than are allowed", () => {
  assertThrows(() => walk(imageOf(folder({ a: file(1 << 30) }))), Error, "are not in the image");
  const bytes = imageOf(folder());
  const many = Array.from({ length: 40 }, (_, index) => [`f${index}`, file(SUPERBLOCK_AREA)]);
  assertThrows(() => walk(imageOf(folder(Object.fromEntries(many)))), Error, "more bytes than it has");
  assertThrows(() => walk(imageOf(folder({ a: file(), b: file() })), 1), Error, "images.limits.entriesPerLayer");
  assertThrows(() => walk(bytes.slice(0, 2_000)), Error, "are not in the image");
});

Deno.test("walkImage() refuses images that skiff did not write", () => {
  const spoilt = (change: (view: DataView) => void) => {
    const bytes = imageOf(folder({ a: file() }));
    change(new DataView(bytes.buffer, 1024));
    return bytes;
  };
  const sayings: [string, (view: DataView) => void][] = [
    ["no image that skiff has written", (view) => view.setUint32(0, 1)],
    ["no image that skiff has written", (view) => view.setUint8(12, 12)],
    ["no image that skiff has written", (view) => view.setUint32(80, 1, true)],
    ["are not in the image", (view) => view.setUint32(40, 0xffffffff, true)],
    ["nothing that skiff writes", (view) => view.setUint16(14, 100, true)],
  ];
  for (const [saying, change] of sayings) assertThrows(() => walk(spoilt(change)), Error, saying);
  assertThrows(() => walk(new Uint8Array(4096)), Error, "no image that skiff has written");
});
