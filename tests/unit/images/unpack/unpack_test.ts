import { assertEquals, assertRejects } from "@std/assert";
import { kernel, programs } from "../../real_kernel.ts";
import { SUPERBLOCK_AREA, writeImage } from "../../../../src/images/erofs/image.ts";
import { Inode, S_IFREG } from "../../../../src/images/erofs/inode.ts";
import { BufferOutput } from "../../../../src/images/mount/buffer_output.ts";
import { unpackImage, type UnpackOptions } from "../../../../src/images/unpack/unpack.ts";
import { Code, RpcError } from "../../../../src/rpc/status.ts";
import { describeTree, mountLayer, run } from "../erofs_support.ts";
import { directory, file, type Member, symlink, tar } from "../tar_builder.ts";

const root = { ignore: Deno.uid() !== 0 };

const members: Member[] = [
  directory("./", 0o2711, { uid: 5, gid: 6, mtime: 1_234_567_890 }),
  file("setuid", "x", { mode: 0o4755, uid: 1_234_567, pax: { mtime: "1700000000.123456789" } }),
  file("capable", "x", {
    mode: 0o755,
    pax: { "SCHILY.xattr.security.capability": new Uint8Array([1, 0, 0, 2, 0, 4, ...Array(14).fill(0)]) },
  }),
  { path: "setuid-too", type: "1", link: "setuid" },
  { path: "null", type: "3", major: 1, minor: 3, mode: 0o666 },
  { path: "fifo", type: "6", mode: 0o600 },
  symlink("leads-out", "/etc"),
  directory("d", 0o1777),
  file("d/.wh.gone", ""),
  directory("opaque"),
  file("opaque/.wh..wh..opq", ""),
  file("large", new Uint8Array(3_000_000).fill(7)),
  ...Array.from(
    { length: 300 },
    (_, depth) => directory("n", 0o700, { pax: { path: Array(depth + 1).fill("n".repeat(10)).join("/") } }),
  ),
];

async function unpackedTo(image: string, folder: string, options?: UnpackOptions) {
  await Deno.mkdir(folder);
  return await unpackImage(kernel, programs, { image, folder, entries: 10_000 }, options);
}

Deno.test("unpackImage() makes what the kernel shows of the image, and counts it (root)", root, async () => {
  await using layer = await mountLayer(tar(members));
  const folder = `${layer.folder}/unpacked`;
  const usage = await unpackedTo(`${layer.folder}/image.erofs`, folder);
  const shown = await describeTree(layer.root);
  assertEquals(await describeTree(`${folder}/tree`), shown);
  for (const path of ["capable", "opaque", "setuid"]) {
    for (const name of kernel.listxattr(`${layer.root}/${path}`)) {
      assertEquals(kernel.getxattr(`${folder}/tree/${path}`, name), kernel.getxattr(`${layer.root}/${path}`, name));
    }
  }
  assertEquals(kernel.getxattr(`${folder}/tree/opaque`, "trusted.overlay.opaque"), new Uint8Array([0x79]));
  assertEquals(kernel.lstat(`${folder}/tree/d/gone`).rdev, 0n);
  // A line for each name, one of them the second of a file, and an empty one.
  assertEquals(usage.inodesUsed, shown.length - 2);
  assertEquals(usage.usedBytes > 3_000_000 && usage.usedBytes < 6_000_000, true);
  assertEquals(kernel.readDirectory(folder).map(({ name }) => name), ["tree"]);
});

Deno.test("unpackImage() leaves holes where the image has them (root)", root, async () => {
  const path = await Deno.makeTempDir({ prefix: "skiff-unpack-" });
  const inner = new Inode(S_IFREG | 0o644);
  inner.size = 8 << 20;
  inner.dataOffset = SUPERBLOCK_AREA;
  inner.segments = [1 << 20, 512];
  const top = Inode.impliedDirectory();
  top.children!.set("sparse", inner);
  using image = await Deno.open(`${path}/image`, { read: true, write: true, create: true });
  const output = new BufferOutput();
  output.write(new Uint8Array(512).fill(1), SUPERBLOCK_AREA);
  const { length } = writeImage(top, output, SUPERBLOCK_AREA + 512, new Uint8Array(16));
  const bytes = output.bytes(length);
  for (let at = 0; at < length; at += 4096) {
    const page = bytes.subarray(at, at + 4096);
    if (page.every((byte) => byte === 0)) continue;
    await image.seek(at, Deno.SeekMode.Start);
    await image.write(page);
  }
  await image.truncate(length);
  await unpackedTo(`${path}/image`, `${path}/folder`);
  const { size, blocks } = kernel.stat(`${path}/folder/tree/sparse`);
  assertEquals([size, blocks * 512 < 100_000], [8 << 20, true]);
  const content = await Deno.readFile(`${path}/folder/tree/sparse`);
  assertEquals(content.findIndex((byte) => byte !== 0), 1 << 20);
  assertEquals(content.reduce((sum, byte) => sum + byte, 0), 512);
  await kernel.removeTree(path);
});

Deno.test("unpackImage() says what is wrong with an image, and where it was (root)", root, async () => {
  const path = await Deno.makeTempDir({ prefix: "skiff-unpack-" });
  await Deno.writeFile(`${path}/none`, new Uint8Array(8192));
  await assertRejects(() => unpackedTo(`${path}/none`, `${path}/a`), RpcError, "no image that skiff has written");
  await assertRejects(() => unpackedTo(`${path}/missing`, `${path}/b`), RpcError, "cannot unpack");
  await Deno.symlink("/etc/passwd", `${path}/link`);
  await assertRejects(() => unpackedTo(`${path}/link`, `${path}/c`), RpcError, "cannot unpack");
  await kernel.removeTree(path);
});

Deno.test("unpackImage() on a disk that is full says so, and one that is cancelled ends (root)", root, async () => {
  await using layer = await mountLayer(tar(members));
  const image = `${layer.folder}/image.erofs`;
  const small = `${layer.folder}/small`;
  await Deno.mkdir(small);
  await run("mount", "-t", "tmpfs", "-o", "size=1m", "none", small);
  try {
    const error = await assertRejects(() => unpackedTo(image, `${small}/folder`), RpcError, "large");
    assertEquals(error.code, Code.RESOURCE_EXHAUSTED);
  } finally {
    await kernel.umount(small, 0);
  }
  const stop = new AbortController();
  const running = unpackedTo(image, `${layer.folder}/cancelled`, { signal: stop.signal });
  stop.abort(new Error("no more"));
  await assertRejects(() => running, Error, "no more");
});
