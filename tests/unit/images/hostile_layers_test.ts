import { assertEquals, assertRejects } from "@std/assert";
import { gzipSync } from "node:zlib";
import "../real_kernel.ts";
import { kernel } from "../../../src/sys/mod.ts";
import { LIMITS, mountLayer, writeLayer } from "./erofs_support.ts";
import { concat, directory, file, type Member, symlink, tar } from "./tar_builder.ts";

const root = { ignore: Deno.uid() !== 0 };
const SPARSE = {
  "GNU.sparse.major": "1",
  "GNU.sparse.minor": "0",
  "GNU.sparse.name": "s",
  "GNU.sparse.realsize": "1000",
};

function sparseBody(map: string, body = ""): Uint8Array {
  const block = new Uint8Array(512);
  block.set(new TextEncoder().encode(map));
  return concat([block, new TextEncoder().encode(body)]);
}

const REFUSED: [string, Member[] | Uint8Array, RegExp][] = [
  ["a hard link out of the layer", [{ path: "h", type: "1", link: "../../../../etc/shadow" }], /not in the same layer/],
  ["a hard link to an absolute path", [{ path: "h", type: "1", link: "/etc/shadow" }], /not in the same layer/],
  [
    "a hard link through a symlink out of the layer",
    [symlink("x", "/etc"), { path: "h", type: "1", link: "x/shadow" }],
    /not in the same layer/,
  ],
  ["a hard link to a folder", [directory("d"), { path: "h", type: "1", link: "d" }], /points to the directory/],
  ["a hard link to a whiteout", [file(".wh.w", ""), { path: "h", type: "1", link: "w" }], /not in the same layer/],
  ["a whiteout of ..", [file("a/.wh...", "")], /not a valid whiteout/],
  ["a whiteout of .", [file("a/.wh..", "")], /not a valid whiteout/],
  ["a whiteout of nothing", [file("a/.wh.", "")], /not a valid whiteout/],
  ["the root as a file", [file(".", "x")], /root is not a directory/],
  ["the root as a symlink", [symlink("./", "/etc"), file("x")], /root is not a directory/],
  ["a loop of symlinks as a parent", [symlink("a", "b"), symlink("b", "a"), file("a/f")], /loop of symlinks/],
  ["a file as a parent", [file("f"), file("f/below")], /neither a directory nor a symlink/],
  ["a device that overlayfs takes for a whiteout", [{ path: "c", type: "3", major: 0, minor: 0 }], /0:0/],
  ["a device number that Linux has not", [{ path: "c", type: "3", major: 5000, minor: 0 }], /5000:0/],
  ["a name with a NUL", [file("x", "x", { pax: { path: "etc/shadow\0.txt" } })], /NUL/],
  ["a symlink to a NUL", [{ path: "x", type: "2", pax: { linkpath: "a\0b" } }], /invalid target/],
  ["a symlink to nothing", [{ path: "x", type: "2", link: "" }], /invalid target/],
  ["an overlong name", [file("x", "x", { pax: { path: "n".repeat(256) } })], /longer than 255/],
  ["an overlong path", [file("x", "x", { pax: { path: "n/".repeat(2100) } })], /longer than 4096/],
  ["an owner that is no ID", [file("x", "x", { pax: { uid: "4294967295" } })], /4294967295 is out of range/],
  ["a negative owner", [file("x", "x", { uid: -1 })], /-1 is out of range/],
  ["an unknown type", [{ path: "x", type: "V" }], /type "V" is not supported/],
  ["a wrong checksum", [file("x", "x")].map((member) => ({ ...member })), /wrong checksum/],
  ["a negative size", [file("x", "", { size: -512 })], /out of range/],
  ["an extension header of many MB", [{ path: "x", type: "x", size: 2 << 20 }], /over the limit/],
  ["a long name of many MB", [{ path: "x", type: "L", size: 2 << 20 }], /over the limit/],
  ["a PAX record longer than its header", [{ path: "x", type: "x", content: "99 path=a\n" }], /length of a PAX record/],
  ["a PAX record without a length", [{ path: "x", type: "x", content: "path=a\n" }], /no length/],
  ["a PAX record of length 0", [{ path: "x", type: "x", content: "0 path=a\n" }], /length of a PAX record/],
  ["a PAX size that is no number", [file("x", "x", { pax: { size: "-1" } })], /not a number/],
  ["a PAX size over 2^53", [file("x", "x", { pax: { size: "9999999999999999" } })], /not a number/],
  [
    "an xattr of 64 KiB and more",
    [file("x", "x", { pax: { "SCHILY.xattr.user.x": "y".repeat(70_000) } })],
    /xattr "user.x".* too large/,
  ],
  ["a sparse file with overlapping segments", [
    file("s", sparseBody("2\n0\n10\n5\n10\n", "x".repeat(20)), { pax: SPARSE }),
  ], /overlap/],
  ["a sparse file with a segment behind its end", [
    file("s", sparseBody("1\n995\n10\n", "x".repeat(10)), { pax: SPARSE }),
  ], /behind its end/],
  [
    "a sparse file with too little body",
    [file("s", sparseBody("1\n0\n10\n", "x".repeat(5)), { pax: SPARSE })],
    /do not add up/,
  ],
  [
    "a sparse map of a million segments (CVE-2025-58183)",
    [file("s", sparseBody("1000000\n0\n"), { pax: SPARSE })],
    /more than 100000 segments/,
  ],
  ["a sparse map of text", [file("s", sparseBody("abc\n"), { pax: SPARSE })], /not a number/],
  [
    "a sparse map without line ends",
    [file("s", sparseBody("1".repeat(512)), { pax: SPARSE })],
    /not a list of numbers/,
  ],
  ["a sparse file of an exabyte", [
    file("s", sparseBody("0\n"), { pax: { ...SPARSE, "GNU.sparse.realsize": "1000000000000000" } }),
  ], /unpacks to more than/],
  ["a tar cut in a body", tar([file("x", "y".repeat(5000))], false).slice(0, 2000), /middle of an entry/],
  ["a tar cut in a header", tar([file("x", "y")], false).slice(0, 300), /middle of an entry/],
  [
    "a tar that ends behind an extension header",
    tar([file("x", "y", { pax: { path: "long" } })], false).slice(0, 1024),
    /middle of an entry/,
  ],
  ["something that is no tar", new TextEncoder().encode("<html>".repeat(200)), /tar header/],
];

for (const [what, members, reason] of REFUSED) {
  Deno.test(`LayerWriter rejects ${what}`, async () => {
    const bytes = members instanceof Uint8Array ? members : tar(members);
    if (what === "a wrong checksum") bytes[0] ^= 1;
    const path = await Deno.makeTempFile();
    const error = await assertRejects(() => writeLayer(bytes, path)) as Error;
    assertEquals(reason.test(error.message), true, error.message);
    await Deno.remove(path);
  });
}

Deno.test("LayerWriter resolves what tries to get out inside the layer (root)", root, async () => {
  const outside = await Deno.makeTempDir();
  await Deno.writeTextFile(`${outside}/victim`, "untouched");
  await using layer = await mountLayer(tar([
    file("../../../../../../dotdot", "1"),
    file("/absolute", "2"),
    symlink("abs", outside),
    file("abs/planted", "3"),
    symlink("rel", `../../../../../../..${outside}`),
    file("rel/planted2", "4"),
    file("abs/.wh.victim", ""),
    file("abs/.wh..wh..opq", ""),
    symlink("magic", "/proc/self/root/etc"),
    file("magic/passwd", "5"),
    symlink("v", `${outside}/victim`),
    file("v", "replaces the link"),
    symlink("c", outside),
    directory("c", 0o777, { uid: 666 }),
  ]));
  assertEquals(kernel.readDirectory(outside).map(({ name }) => name), ["victim"]);
  assertEquals(await Deno.readTextFile(`${outside}/victim`), "untouched");
  assertEquals(kernel.stat(outside).uid, 0);
  for (
    const [path, text] of [
      ["dotdot", "1"],
      ["absolute", "2"],
      [outside.slice(1) + "/planted", "3"],
      [outside.slice(1) + "/planted2", "4"],
      ["proc/self/root/etc/passwd", "5"],
      ["v", "replaces the link"],
    ]
  ) {
    assertEquals(kernel.readText(`${layer.root}/${path}`), text);
  }
  await Deno.remove(outside, { recursive: true });
});

Deno.test("LayerWriter stops a bomb at the size limit, and at the ratio limit below it", async () => {
  const path = await Deno.makeTempFile();
  const zeros = new Uint8Array(64 << 20);
  const member = new Uint8Array(gzipSync(zeros, { level: 9 }));
  const start = new Uint8Array(gzipSync(tar([file("zeros", "", { size: 2 ** 33 })], false)));
  // 64 MiB a member: the limit of 1 GiB is met at the sixteenth.
  const bomb = concat([start, ...Array(30).fill(member)]);
  await assertRejects(() => writeLayer(bomb, path), Error, "unpacks to more than 1073741824 bytes");
  assertEquals((await Deno.stat(path)).size <= LIMITS.inflatedBytes + 8192, true);
  await Deno.remove(path);
});

Deno.test("LayerWriter counts implied folders as entries", async () => {
  const path = await Deno.makeTempFile();
  const deep = (index: number) => file("x", "x", { pax: { path: `${index}/${"d/".repeat(500)}f` } });
  const bytes = tar(Array.from({ length: 30 }, (_, index) => deep(index)));
  await assertRejects(
    () => writeLayer(bytes, path, { entries: 10_000, inflatedBytes: 1 << 30 }),
    Error,
    "more than 10000 entries",
  );
  await Deno.remove(path);
});

Deno.test("LayerWriter survives random damage: an image or an error, never a hang or a crash", async () => {
  const path = await Deno.makeTempFile();
  const good = tar([
    directory("./"),
    directory("a"),
    file("a/b", "content", { pax: { mtime: "1.5", "SCHILY.xattr.user.x": "y" } }),
    symlink("l", "a"),
    { path: "h", type: "1", link: "a/b" },
    file("s", sparseBody("1\n0\n10\n", "x".repeat(10)), { pax: SPARSE }),
    file("a/.wh.gone", ""),
  ]);
  let seed = 12_345;
  const random = (limit: number) => (seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31) % limit;
  let refused = 0;
  for (let round = 0; round < 1500; round++) {
    const bytes = good.slice();
    for (let change = 0; change <= round % 4; change++) bytes[random(bytes.length)] = random(256);
    // A header whose sum is right gets further.
    for (let block = 0; block + 512 <= bytes.length; block += 512) {
      if (good[block + 257] === 0x75) fixChecksum(bytes.subarray(block, block + 512));
    }
    await writeLayer(bytes, path).catch((error) => {
      if (!(error instanceof Error) || error instanceof TypeError || (error instanceof RangeError)) throw error;
      refused++;
    });
  }
  assertEquals(refused > 100 && refused < 1450, true, `${refused} of 1500 were refused`);
  await Deno.remove(path);
});

function fixChecksum(header: Uint8Array): void {
  header.fill(0x20, 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.set(new TextEncoder().encode(sum.toString(8).padStart(6, "0") + "\0 "), 148);
}
