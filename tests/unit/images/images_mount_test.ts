import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { kernel, mountsBelow, programs } from "../real_kernel.ts";
import { cachedBytes } from "../page_cache.ts";
import { DoubledCache } from "../../../src/images/mount/doubled_cache.ts";
import { O_RDWR, withOpen } from "../../../src/sys/mod.ts";
import { withIdmapped } from "../../../src/images/mount/idmapped_layers.ts";
import { mountImage } from "../../../src/images/mount/layer_mounts.ts";
import { mountOverlay } from "../../../src/images/mount/overlay.ts";
import type { ImageRecord, LayerIdmap } from "../../../src/images/types.ts";
import { pinUserNamespaces, unpin } from "../../../src/network/mod.ts";
import { Code, type RpcError } from "../../../src/rpc/status.ts";
import { writeLayer } from "./erofs_support.ts";
import { buildImage, type ImageOptions, openStore, type TestStore, writeLayout } from "./support.ts";
import { directory, file, symlink, tar } from "./tar_builder.ts";

const root = { ignore: Deno.uid() !== 0 };

async function importImage(
  store: TestStore,
  tars: Uint8Array[],
  name = "example.com/app:1",
  options?: ImageOptions,
): Promise<ImageRecord> {
  const layout = `${store.folder}/layout-${crypto.randomUUID()}`;
  await writeLayout(layout, [{ image: buildImage(tars, options) }]);
  return (await store.service.importLayout(layout, name, {}))[0];
}

const modeOf = (path: string) => (kernel.lstat(path).mode & 0o7777).toString(8);
const mountedBelow = (store: TestStore, folder: string) =>
  mountsBelow(`${store.config.state}/${folder}`, kernel).map(({ mountPoint }) => mountPoint).filter((path) =>
    path !== `${store.config.state}/${folder}`
  );

async function eventually(condition: () => boolean): Promise<void> {
  for (let attempt = 0; attempt < 300 && !condition(); attempt++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert(condition());
}

Deno.test("DoubledCache forgets the bytes of an image that stays mounted, and no file in it (root)", root, async () => {
  await using store = await openStore();
  const image = await importImage(store, [tar([file("big", "x".repeat(1 << 20))])]);
  const { root: path } = await store.service.mountRootfs({ id: "c1", image, readonly: false });
  kernel.readFile(`${path}/big`, 2 << 20);
  const layer = `${store.config.root}/layers/${image.layers[0].slice(7)}.erofs`;
  let mounted = [layer, "/no/such/file"];
  using doubled = new DoubledCache({ kernel, mounted: () => mounted });
  // Only what is on the disk can be forgotten.
  await withOpen(kernel, layer, O_RDWR, (fd) => kernel.fdatasync(fd));
  const cached = async () => [await cachedBytes(layer) > 1 << 20, await cachedBytes(`${path}/big`)];
  assertEquals(await cached(), [true, 1 << 20]);
  await doubled.forget();
  mounted = [];
  await doubled.forget();
  mounted = [layer, "/no/such/file"];
  await doubled.forget();
  assertEquals(await cached(), [true, 1 << 20]);
  await doubled.forget();
  assertEquals([await cachedBytes(layer), await cachedBytes(`${path}/big`)], [0, 1 << 20]);
  await store.service.unmountRootfs("c1");
});

Deno.test(
  "ImageService.mountRootfs() merges layers, takes writes, and unmountRootfs() leaves nothing (root)",
  root,
  async () => {
    await using store = await openStore();
    const image = await importImage(store, [
      tar([
        directory("./", 0o750, { uid: 5, gid: 6, pax: { "SCHILY.xattr.user.root": "r" } }),
        directory("etc"),
        file("etc/a", "lower"),
        file("etc/gone"),
        directory("opaque"),
        file("opaque/old"),
      ]),
      tar([
        directory("etc"),
        file("etc/.wh.gone", ""),
        file("etc/b", "upper"),
        directory("opaque"),
        file("opaque/.wh..wh..opq", ""),
        file("opaque/new"),
      ]),
    ]);
    const { root: path, upper } = await store.service.mountRootfs({ id: "c1", image, readonly: false });
    assertEquals(path, `${store.config.state}/rootfs/c1`);
    const names = (folder: string) => kernel.readDirectory(`${path}/${folder}`).map(({ name }) => name).sort();
    assertEquals([names("etc"), names("opaque")], [["a", "b"], ["new"]]);
    const { uid, gid } = kernel.stat(path);
    assertEquals([modeOf(path), uid, gid, kernel.getxattr(path, "user.root")?.length], ["750", 5, 6, 1]);

    kernel.writeFile(`${path}/etc/a`, "written");
    assertEquals(kernel.readText(`${upper}/etc/a`), "written");
    assertEquals(await store.service.mountRootfs({ id: "c1", image, readonly: false }), { root: path, upper });

    const other = await store.service.mountRootfs({ id: "c2", image, readonly: false });
    assertEquals(kernel.readText(`${other.root}/etc/a`), "lower");
    // Two layers, and one that gives the root of read-only views what the lower layer says.
    assertEquals(mountedBelow(store, "layers").length, 3);
    await store.service.unmountRootfs("c1");
    assertEquals(mountedBelow(store, "layers").length, 3);
    assertEquals(kernel.exists(`${store.config.root}/containers/c1`), false);
    await store.service.unmountRootfs("c2");
    assertEquals([mountedBelow(store, "layers"), mountedBelow(store, "rootfs")], [[], []]);
    await store.service.unmountRootfs("c2");
    await eventually(() => kernel.readDirectory(`${store.config.root}/trash`).length === 0);
  },
);

Deno.test("ImageService.mountRootfs() of many containers at once mounts each layer once (root)", root, async () => {
  await using store = await openStore();
  const image = await importImage(store, [tar([file("a")]), tar([file("b")]), tar([file("c")])]);
  const ids = Array.from({ length: 20 }, (_, index) => `c${index}`);
  await Promise.all(ids.map((id) => store.service.mountRootfs({ id, image, readonly: false })));
  assertEquals([mountedBelow(store, "layers").length, mountedBelow(store, "rootfs").length], [3, 20]);
  await Promise.all(ids.map((id) => store.service.unmountRootfs(id)));
  assertEquals([mountedBelow(store, "layers"), mountedBelow(store, "rootfs")], [[], []]);
});

Deno.test(
  "ImageService.mountRootfs() gives folders that a layer only implies what the nearest lower layer says (root)",
  root,
  async () => {
    await using store = await openStore();
    const image = await importImage(store, [
      tar([
        directory("./", 0o711),
        directory("tmp", 0o1777, { uid: 1, gid: 2, pax: { mtime: "1600000000.5", "SCHILY.xattr.user.x": "y" } }),
        directory("var", 0o750),
        directory("var/lib", 0o700),
        directory("gone", 0o700),
        directory("hidden", 0o700),
      ]),
      // Implies all of them; `hidden` starts anew, and `gone` goes.
      tar([
        file("tmp/foo"),
        file("var/lib/foo"),
        file(".wh.gone", ""),
        file("hidden/.wh..wh..opq", ""),
        file("hidden/f"),
      ]),
      tar([file("tmp/bar"), file("gone/again"), directory("var", 0o555), file("new/f"), file("hidden/g")]),
    ]);
    const { root: path } = await store.service.mountRootfs({ id: "c1", image, readonly: false });
    assertEquals(modeOf(path), "711");
    assertEquals(modeOf(`${path}/tmp`), "1777");
    const { uid, gid, mtime } = kernel.lstat(`${path}/tmp`);
    assertEquals([uid, gid, mtime, kernel.getxattr(`${path}/tmp`, "user.x")?.length], [
      1,
      2,
      1_600_000_000_500_000_000n,
      1,
    ]);
    assertEquals([modeOf(`${path}/var`), modeOf(`${path}/var/lib`)], ["555", "700"]);
    // Nothing below these describes them any more.
    assertEquals(["gone", "hidden", "new"].map((name) => modeOf(`${path}/${name}`)), ["755", "755", "755"]);
    assertEquals(kernel.readDirectory(`${path}/tmp`).map(({ name }) => name).sort(), ["bar", "foo"]);
    await store.service.unmountRootfs("c1");
    await store.service.remove(image.id, () => []);
    assertEquals(kernel.readDirectory(`${store.config.root}/layers`), []);
  },
);

Deno.test("ImageService.mountRootfs() shows no whiteouts in folders that no lower layer has (root)", root, async () => {
  await using store = await openStore();
  const image = await importImage(store, [
    tar([directory("only"), file("only/.wh.nothing", ""), file("only/there", "x"), file(".wh.top", "")]),
  ]);
  const { root: path } = await store.service.mountRootfs({ id: "c1", image, readonly: false });
  assertEquals(kernel.readDirectory(path).map(({ name }) => name), ["only"]);
  assertEquals(kernel.readDirectory(`${path}/only`).map(({ name }) => name), ["there"]);
});

Deno.test(
  "ImageService.mountRootfs() of an image without layers is an empty root of its own (CVE-2026-24054) (root)",
  root,
  async () => {
    await using store = await openStore();
    const image = await importImage(store, []);
    assert(image.size > 0);
    const { root: path } = await store.service.mountRootfs({ id: "c1", image, readonly: false });
    assertEquals([kernel.readDirectory(path), modeOf(path)], [[], "755"]);
    kernel.writeFile(`${path}/own`, "x");
    assertEquals(mountedBelow(store, "rootfs").length, 1);
    await store.service.unmountRootfs("c1");
  },
);

Deno.test("ImageService.mountRootfs() of an image that has a layer twice (root)", root, async () => {
  await using store = await openStore();
  const twice = tar([directory("d"), file("d/f", "twice")]);
  const image = await importImage(store, [twice, tar([directory("d"), file("d/f", "between")]), twice]);
  assertEquals(image.layers.length, 3);
  const { root: path } = await store.service.mountRootfs({ id: "c1", image, readonly: false });
  assertEquals(kernel.readText(`${path}/d/f`), "twice");
});

Deno.test("ImageService.mountRootfs() refuses an ID that is a path", root, async () => {
  await using store = await openStore();
  const image = await importImage(store, []);
  for (const id of ["../x", "", "a/b", "."]) {
    await assertRejects(
      async () => await store.service.mountRootfs({ id, image, readonly: false }),
      Error,
      "cannot name a root file system",
    );
  }
});

Deno.test(
  "ImageService.remove() refuses while a root file system of the image is mounted or a container has it (root)",
  root,
  async () => {
    await using store = await openStore();
    const image = await importImage(store, [tar([file("a")])]);
    await store.service.mountRootfs({ id: "c1", image, readonly: false });
    const refused = async (inUse: string[]) => {
      const error = await assertRejects(() => store.service.remove("example.com/app:1", () => inUse)) as RpcError;
      assertEquals(error.code, Code.FAILED_PRECONDITION);
      return error.message;
    };
    assert((await refused([])).includes("c1"));
    await store.service.unmountRootfs("c1");
    assert((await refused(["some-container"])).includes("some-container"));
    await store.service.remove("example.com/app:1", () => []);
    assertEquals([store.service.list(), store.service.usage().usedBytes], [[], 0]);
    await store.service.remove("example.com/app:1", () => []);
  },
);

Deno.test(
  "ImageService.recover() counts layers of what is mounted again and takes down what no container knows (root)",
  root,
  async () => {
    await using store = await openStore();
    const layers = [tar([directory("tmp", 0o1777)]), tar([file("tmp/x")])];
    const image = await importImage(store, layers);
    for (const id of ["known", "unknown"]) await store.service.mountRootfs({ id, image, readonly: false });
    kernel.writeFile(`${store.config.state}/rootfs/known/kept`, "kept");

    const service = await store.restart();
    await service.recover([{ id: "known", imageId: image.id }, { id: "gone-by-reboot", imageId: image.id }]);
    assertEquals(mountedBelow(store, "rootfs"), [`${store.config.state}/rootfs/known`]);
    assertEquals(kernel.readText(`${store.config.state}/rootfs/known/kept`), "kept");
    assertEquals(kernel.readDirectory(`${store.config.root}/containers`).map(({ name }) => name), ["known"]);
    assertEquals(mountedBelow(store, "layers").length, 3);
    await assertRejects(() => service.remove(image.id, () => []), Error, "known");
    // A new container shares the layers that were mounted before.
    await service.mountRootfs({ id: "later", image: service.resolve(image.id)!, readonly: false });
    assertEquals([mountedBelow(store, "layers").length, modeOf(`${store.config.state}/rootfs/later/tmp`)], [3, "1777"]);
    await service.unmountRootfs("known");
    await service.unmountRootfs("later");
    assertEquals(mountedBelow(store, "layers"), []);
  },
);

Deno.test(
  "ImageService.start() drops images that lost a layer, and layers without rows or images (root)",
  root,
  async () => {
    await using store = await openStore();
    const [good, bad] = [
      await importImage(store, [tar([file("good")])], "example.com/good:1"),
      await importImage(store, [tar([file("bad")])], "example.com/bad:1"),
    ];
    const folder = `${store.config.root}/layers`;
    kernel.unlink(`${folder}/${bad.layers[0].slice(7)}.erofs`);
    kernel.writeFile(`${folder}/${"a".repeat(64)}.erofs`, "no row");
    kernel.mkdirs(`${store.config.root}/staging/left`);
    kernel.writeFile(`${store.config.root}/staging/left/layer-0.part`, "half");
    store.table.layerRows.set("sha256:" + "b".repeat(64), {
      diffId: "sha256:" + "b".repeat(64),
      file: "b".repeat(64) + ".erofs",
      size: 1,
      impliedDirectories: [],
    });

    const service = await store.restart();
    assertEquals(service.list().map(({ id }) => id), [good.id]);
    assertEquals([...store.table.layerRows.keys()], good.layers);
    assertEquals(kernel.readDirectory(folder).map(({ name }) => name), [`${good.layers[0].slice(7)}.erofs`]);
    assertEquals(kernel.readDirectory(`${store.config.root}/staging`), []);
    assert(store.logger.lines.some(({ level, message }) => level === "warn" && message.includes("lost a layer")));
  },
);

Deno.test("ImageService.writableUsage() counts what containers wrote, hard links once (root)", root, async () => {
  await using store = await openStore();
  const image = await importImage(store, [tar([file("a")])]);
  const { root: path } = await store.service.mountRootfs({ id: "c1", image, readonly: false });
  kernel.writeFile(`${path}/big`, new Uint8Array(1 << 20).fill(1));
  kernel.link(`${path}/big`, `${path}/link`);
  kernel.mkdirs(`${path}/d/e`);
  kernel.symlink("/", `${path}/d/everything`);
  // The first answer is what is known, the walk runs behind it.
  store.service.writableUsage("c1");
  await eventually(() => store.service.writableUsage("c1").usedBytes > 1 << 20);
  const { usedBytes, inodesUsed, mountpoint } = store.service.writableUsage("c1");
  assertEquals([inodesUsed, usedBytes < 2 << 20, mountpoint], [5, true, `${store.config.root}/containers`]);
  assertEquals(store.service.writableUsage(), { usedBytes, inodesUsed, mountpoint });
  assertEquals(store.service.writableUsage("other").usedBytes, 0);
});

Deno.test("ImageService.facts() says what works here (root)", root, async () => {
  await using store = await openStore();
  const { layers, overlay, problem } = await store.service.facts();
  assertEquals(problem, "");
  assert(["erofs-file", "erofs-loop"].includes(layers) && ["lowerdir+", "mount"].includes(overlay));
  assertEquals(kernel.exists(`${store.config.root}/probe`), false);
});

Deno.test(
  "mountOverlay() by mount(2): up to 500 layers in one page of options, more refused (root)",
  root,
  async () => {
    await using store = await openStore();
    const lowers = Array.from({ length: 501 }, (_, index) => `${store.folder}/lower-with-a-rather-long-name-${index}`);
    for (const [index, lower] of lowers.entries()) {
      kernel.mkdirs(lower);
      kernel.writeFile(`${lower}/${index}`, "");
    }
    const [upper, work, target] = ["upper", "work", "target"].map((name) => `${store.folder}/${name}`);
    for (const folder of [upper, work, target]) kernel.mkdirs(folder);
    const before = Deno.cwd();
    for (const method of ["mount", "lowerdir+"] as const) {
      mountOverlay(kernel, method, {
        lowers: lowers.slice(0, 500),
        writable: { upper, work },
        target,
        volatile: false,
      });
      assertEquals(kernel.readDirectory(target).length, 500);
      await kernel.umount(target, 0);
      assertThrows(
        () => mountOverlay(kernel, method, { lowers, writable: { upper, work }, target, volatile: false }),
        Error,
        "overlayfs takes 500",
      );
    }
    const long = `${store.folder}/${"x".repeat(200)}/${"y".repeat(200)}`.repeat(5);
    assertThrows(
      () =>
        mountOverlay(kernel, "mount", {
          lowers: lowers.slice(0, 500),
          writable: { upper: long, work: long },
          target,
          volatile: false,
        }),
      Error,
      "too many layers",
    );
    assertEquals([Deno.cwd(), kernel.exists(`${target}.lowers`)], [before, false]);
  },
);

Deno.test("mountImage() over a loop device reads the same (root)", root, async () => {
  const folder = await Deno.makeTempDir();
  await writeLayer(tar([file("f", "by loop"), symlink("l", "f")]), `${folder}/image`);
  await Deno.mkdir(`${folder}/m`);
  await mountImage(kernel, programs, "erofs-loop", `${folder}/image`, `${folder}/m`);
  try {
    assertEquals(kernel.readText(`${folder}/m/l`), "by loop");
  } finally {
    await kernel.umount(`${folder}/m`, 0);
    await kernel.removeTree(folder);
  }
});

/** Pins a user namespace whose IDs are those from 100,000 on. */
function pinUserNamespace(store: TestStore): LayerIdmap & Disposable {
  const userns = `${store.folder}/userns`;
  const map = "0 100000 65536";
  pinUserNamespaces(kernel, { user: userns }, { uid: map, gid: map });
  const range = { host: 100_000, size: 65_536 };
  return { userns, uids: range, gids: range, [Symbol.dispose]: () => unpin(kernel, userns) };
}

Deno.test("ImageService.mountRootfs() shows an image through a user namespace's IDs (root)", root, async () => {
  await using store = await openStore();
  using idmap = pinUserNamespace(store);
  assert((await store.service.facts()).idmapped);
  const image = await importImage(store, [
    tar([directory("./", 0o750, { uid: 5, gid: 6 }), directory("etc"), file("etc/a", "lower", { uid: 7, gid: 8 })]),
  ]);
  const plain = await store.service.mountRootfs({ id: "plain", image, readonly: false });
  const { root: path, upper } = await store.service.mountRootfs({ id: "c1", image, readonly: false, idmap });
  const owner = (file: string) => (({ uid, gid }) => [uid, gid])(kernel.stat(file));
  assertEquals(owner(path), [100_005, 100_006]);
  assertEquals(owner(`${path}/etc`), [100_000, 100_000]);
  assertEquals(owner(`${path}/etc/a`), [100_007, 100_008]);
  assertEquals(owner(`${plain.root}/etc/a`), [7, 8]);
  kernel.chmod(`${path}/etc/a`, 0o600);
  assertEquals(owner(`${upper}/etc/a`), [100_007, 100_008]);
  // Only the namespace's root may pass, and the folder of the shown layers is empty again.
  const gate = kernel.stat(path.slice(0, path.lastIndexOf("/")));
  assertEquals([(gate.mode & 0o7777).toString(8), gate.uid, gate.gid], ["710", 0, 100_000]);
  assertEquals(kernel.readDirectory(`${store.config.state}/idmapped`), []);

  await store.service.unmountRootfs("plain");
  assertEquals(mountedBelow(store, "layers").length, 1);
  await store.service.unmountRootfs("c1");
  assertEquals([mountedBelow(store, "layers"), mountedBelow(store, "rootfs")], [[], []]);
  assertEquals(kernel.readDirectory(`${store.config.state}/rootfs`), []);
});

Deno.test("ImageService.recover() counts the layers of an idmapped root and of a volume (root)", root, async () => {
  await using store = await openStore();
  using idmap = pinUserNamespace(store);
  const image = await importImage(store, [tar([directory("etc"), file("etc/a", "a")])]);
  await store.service.mountRootfs({ id: "c1", image, readonly: false, idmap });
  await store.service.mountVolume({ id: "c1.0", image, subPath: "etc", idmap });
  const left = `${store.config.state}/idmapped/left`;
  kernel.mkdirs(left);
  kernel.mount("none", left, "tmpfs", 0);

  const next = await store.restart();
  await next.recover([{ id: "c1", imageId: "lost" }, { id: "c1.0", imageId: image.id }]);
  assertEquals(kernel.readDirectory(`${store.config.state}/idmapped`), []);
  assertEquals(mountedBelow(store, "rootfs").length, 2);
  await assertRejects(() => next.remove(image.id, () => []), Error, "used by c1;");
  await next.unmountRootfs("c1.0");
  assertEquals(mountedBelow(store, "layers").length, 1);
  await next.unmountRootfs("c1");
  assertEquals([mountedBelow(store, "layers"), mountedBelow(store, "rootfs")], [[], []]);
});

Deno.test("ImageService.mountVolume() is read-only, of a folder, a file or all (root)", root, async () => {
  await using store = await openStore();
  const image = await importImage(store, [
    tar([
      directory("etc"),
      file("etc/a", "in etc"),
      symlink("run", "etc"),
      symlink("out", "../../../../../etc/hostname"),
    ]),
    tar([directory("etc"), file("etc/b", "b")]),
  ]);
  const volume = (id: string, subPath: string) => store.service.mountVolume({ id, image, subPath });
  const whole = await volume("c.0", "");
  assertEquals(whole, `${store.config.state}/rootfs/c.0`);
  assertEquals(kernel.readText(`${whole}/etc/a`), "in etc");
  const error = assertThrows(() => kernel.writeFile(`${whole}/new`, ""), Error);
  assert(error.message.includes("read-only file system"), error.message);
  assertEquals(kernel.readDirectory(await volume("c.1", "run")).map(({ name }) => name).sort(), ["a", "b"]);
  assertEquals(kernel.readText(await volume("c.2", "etc/a")), "in etc");
  for (const missing of ["nothing", "etc/a/b", "out"]) {
    const refusal = await assertRejects(() => volume("c.3", missing)) as RpcError;
    assertEquals([refusal.code, refusal.message.includes(missing)], [Code.NOT_FOUND, true]);
  }
  await assertRejects(() => store.service.remove(image.id, () => []), Error, "used by c;");
  for (const id of ["c.0", "c.1", "c.2", "c.3"]) await store.service.unmountRootfs(id);
  assertEquals([mountedBelow(store, "layers"), mountedBelow(store, "rootfs")], [[], []]);
  assertEquals(kernel.readDirectory(`${store.config.state}/rootfs`), []);
});

Deno.test("ImageService.mountVolume() has the root that a lower layer describes (root)", root, async () => {
  await using store = await openStore();
  const image = await importImage(store, [tar([directory("./", 0o711, { uid: 7 })]), tar([file("f")])]);
  const path = await store.service.mountVolume({ id: "c.0", image, subPath: "" });
  assertEquals([modeOf(path), kernel.stat(path).uid], ["711", 7]);
  assertEquals(kernel.readDirectory(path).map(({ name }) => name), ["f"]);
  await store.service.unmountRootfs("c.0");
});

Deno.test("ImageService.mountVolume() of an image without layers is an empty folder (root)", root, async () => {
  await using store = await openStore();
  const image = await importImage(store, []);
  const path = await store.service.mountVolume({ id: "c.0", image, subPath: "" });
  assertEquals(kernel.readDirectory(path), []);
  await store.service.unmountRootfs("c.0");
});

Deno.test("withIdmapped() over a loop device and by mount(2), as on kernels before 6.5 (root)", root, async () => {
  await using store = await openStore();
  using idmap = pinUserNamespace(store);
  const at = (name: string) => `${store.folder}/old/${name}`;
  for (const name of ["layer", "upper", "work", "root"]) kernel.mkdirs(at(name));
  await writeLayer(tar([file("f", "x", { uid: 7, gid: 8 })]), at("image"));
  await mountImage(kernel, programs, "erofs-loop", at("image"), at("layer"));
  try {
    withIdmapped(kernel, at("idmapped"), [at("layer")], idmap.userns, (lowers) =>
      mountOverlay(kernel, "mount", {
        lowers,
        writable: { upper: at("upper"), work: at("work") },
        target: at("root"),
        volatile: true,
      }));
    const { uid, gid } = kernel.stat(at("root/f"));
    assertEquals([uid, gid], [100_007, 100_008]);
    assertEquals(kernel.readDirectory(at("idmapped")), []);
    await kernel.umount(at("root"), 0);
  } finally {
    await kernel.umount(at("layer"), 0);
  }
});
