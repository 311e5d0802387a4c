import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { kernel, programs } from "../../real_kernel.ts";
import { SUPERBLOCK_OFFSET } from "../../../../src/images/erofs/image.ts";
import { compareImage } from "../../../../src/images/unpack/compare.ts";
import { unpackImage } from "../../../../src/images/unpack/unpack.ts";
import { run, writeLayer } from "../erofs_support.ts";
import { directory, file, type Member, symlink, tar } from "../tar_builder.ts";

const root = { ignore: Deno.uid() !== 0 };

/** Tag, permissions and ID of each entry. */
function acl(...entries: [number, number, number][]): Uint8Array {
  const bytes = new Uint8Array(4 + 8 * entries.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 2, true);
  entries.forEach(([tag, permissions, id], index) => {
    view.setUint16(4 + 8 * index, tag, true);
    view.setUint16(6 + 8 * index, permissions, true);
    view.setUint32(8 + 8 * index, id, true);
  });
  return bytes;
}

const capabilities = (revision: number, length: number) => new Uint8Array(length).fill(0).with(3, revision).with(5, 4);
const withXattrs = (xattrs: Record<string, Uint8Array>) => ({
  pax: Object.fromEntries(Object.entries(xattrs).map(([name, value]) => [`SCHILY.xattr.${name}`, value])),
});
const ACCESS = "system.posix_acl_access";

/** What does not come back from every file system, or from the kernel, as it was given. */
const bent: Member[] = [
  // The mode has another mask, and other rights of the others, than the ACL.
  file("acl", "x", {
    mode: 0o641,
    ...withXattrs({ [ACCESS]: acl([1, 7, 0], [2, 4, 9], [4, 7, 0], [16, 7, 0], [32, 7, 0]) }),
  }),
  file("acl-of-the-mode", "x", { mode: 0o640, ...withXattrs({ [ACCESS]: acl([1, 6, 0], [4, 4, 0], [32, 0, 0]) }) }),
  directory(
    "acl-inherited",
    0o750,
    withXattrs({
      "system.posix_acl_default": acl([1, 7, 0], [2, 4, 9], [4, 5, 0], [16, 5, 0], [32, 0, 0]),
    }),
  ),
  file("acl-inherited/one", "x"),
  file("of-root", "x", { mode: 0o755, ...withXattrs({ "security.capability": capabilities(3, 24) }) }),
  file("of-the-node", "x", { mode: 0o755, ...withXattrs({ "security.capability": capabilities(2, 20) }) }),
  file("of-another-root", "x", {
    mode: 0o755,
    ...withXattrs({ "security.capability": capabilities(3, 24).with(20, 7) }),
  }),
  file("old", "x", { pax: { mtime: "-5000000000.5" } }),
  file("far", "x", { pax: { mtime: "99999999999" } }),
  symlink("noted", "x"),
];

const members: Member[] = [
  directory("./", 0o2711, { uid: 5, gid: 6, mtime: 1_234_567_890 }),
  directory("d", 0o1777),
  file("d/one", new Uint8Array(3_000_000).fill(7), { mtime: 1_700_000_000 }),
  file("d/noted", "x", withXattrs({ "user.note": new Uint8Array([1]) })),
  file(new Uint8Array([0x64, 0x2f, 0xff]), "a name that is no text"),
  { path: "d/other", type: "1", link: "d/one" },
  { path: "null", type: "3", major: 1, minor: 300, mode: 0o666 },
  { path: "fifo", type: "6", mode: 0o600 },
  symlink("link", "/etc"),
  file("gone/.wh.gone", ""),
  directory("opaque"),
  file("opaque/.wh..wh..opq", ""),
];

/** An image at `image` and what it makes at `unpacked/tree`, in a folder that goes with the test. */
async function withFolder(members: Member[], test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "skiff-compare-" });
  await writeLayer(tar(members), `${folder}/image`);
  await Deno.mkdir(`${folder}/unpacked`);
  await unpackImage(kernel, programs, { image: `${folder}/image`, folder: `${folder}/unpacked`, entries: 1_000 });
  await test(folder);
  await kernel.removeTree(folder);
}

const compared = (folder: string, tree = "unpacked/tree") =>
  compareImage(kernel, programs, { image: `${folder}/image`, folder: `${folder}/${tree}`, entries: 1_000 });
const SAME = { difference: undefined, unreadable: undefined };

Deno.test(
  "compareImage() finds nothing in what unpackImage() has made, whatever the kernel makes of it (root)",
  root,
  async () => {
    await withFolder([...members, ...bent], async (folder) => {
      const tree = `${folder}/unpacked/tree`;
      assertEquals(await compared(folder), SAME);
      // What the node puts on every file is none of the image's.
      kernel.setxattr(`${tree}/link`, "security.test", new Uint8Array([1]));
      assertEquals(await compared(folder), SAME);
      // An ACL that says something else is found, though.
      kernel.setxattr(`${tree}/acl`, ACCESS, acl([1, 6, 0], [2, 7, 9], [4, 7, 0], [16, 4, 0], [32, 1, 0]));
      assertEquals((await compared(folder)).difference, `"acl" has another "${ACCESS}"`);
    });
  },
);

/** What is done in a copy of the folder; the times of directories stay as they were. */
const changes: [what: string, change: string | ((copy: string) => void), difference: RegExp][] = [
  [
    "content",
    "printf y | dd status=none of=d/one bs=1 seek=2999999 conv=notrunc; touch -d @1700000000 d/one",
    /"d\/(one|other)" has another content/,
  ],
  ["length", "truncate -s 2999999 d/one; touch -d @1700000000 d/one", /"d\/(one|other)" has another content/],
  ["an entry gone", "rm null", /"null" is not there/],
  ["an entry more", "touch d/extra", /"d\/extra" is not in the layer/],
  ["an entry more, no text", "touch $'d/\\xfe'", /"d\/\ufffd" is not in the layer/],
  ["mode", "chmod 601 fifo", /"fifo" has another mode/],
  ["owner", "chown 7:0 d/noted", /"d\/noted" has another owner/],
  ["the root's owner", "chown 5:7 .; chmod 2711 .", /"\/" has another owner/],
  ["time", "touch d/one", /"d\/(one|other)" has another time/],
  ["kind", "rm fifo; mkdir -m 600 fifo", /"fifo" is of another kind/],
  [
    "device",
    "mknod -m 666 new c 1 301; chown --reference null new; touch -r null new; mv new null",
    /"null" is another device/,
  ],
  [
    "target",
    "ln -s /usr new; chown -h --reference link new; touch -hr link new; mv -T new link",
    /"link" leads elsewhere/,
  ],
  ["a second name", "cp -a d/other d/x; mv d/x d/other", /"d\/(one|other)" is not the file whose other name it is/],
  ["a whiteout", "rm gone/gone", /"gone\/gone" is not there/],
  [
    "opaqueness",
    "mkdir new; chmod --reference opaque new; chown --reference opaque new; touch -r opaque new; rmdir opaque; mv new opaque",
    /"opaque" has no "trusted.overlay.opaque"/,
  ],
  [
    "an xattr",
    (copy) => kernel.setxattr(`${copy}/d/noted`, "user.note", new Uint8Array([2])),
    /"d\/noted" has another "user.note"/,
  ],
  [
    "an xattr more",
    (copy) => kernel.setxattr(`${copy}/d`, "trusted.overlay.redirect", new Uint8Array([47])),
    /"d" has another "trusted.overlay.redirect"/,
  ],
];

Deno.test("compareImage() finds whatever is different, and says where (root)", root, async () => {
  await withFolder(members, async (folder) => {
    const keepTimes = 'cd "$0"; find . -type d -print0 | while read -rd "" at; do touch -cr "$at" "$1/$at"; done';
    for (const [number, [what, change, difference]] of changes.entries()) {
      const copy = `${folder}/${number}`;
      await run("cp", "-a", `${folder}/unpacked/tree`, copy);
      if (number === 0) assertEquals(await compared(folder, `${number}`), SAME);
      if (typeof change === "string") await run("bash", "-ec", `cd "$0"; ${change}`, copy);
      else change(copy);
      await run("bash", "-ec", keepTimes, `${folder}/unpacked/tree`, copy);
      const found = await compared(folder, `${number}`);
      assertEquals(found.unreadable, undefined);
      assertMatch(found.difference ?? "nothing", difference, what);
    }
  });
});

Deno.test(
  "compareImage() says of an image that cannot be read that it is the image, and leaves the folder alone (root)",
  root,
  async () => {
    await withFolder(members, async (folder) => {
      const bytes = await Deno.readFile(`${folder}/image`);
      const metadata = new DataView(bytes.buffer).getUint32(SUPERBLOCK_OFFSET + 40, true) * 512;
      await Deno.writeFile(`${folder}/image`, bytes.fill(0xff, metadata, metadata + 64));
      const { difference, unreadable } = await compared(folder);
      assertEquals(difference, undefined);
      assertStringIncludes(unreadable ?? "", "nothing that skiff writes");
    });
  },
);
