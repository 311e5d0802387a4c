import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { type Programs, SIGCONT, SIGSTOP } from "../../../src/sys/mod.ts";
import { kernel, programs } from "../real_kernel.ts";
import { Code, messageOf, RpcError } from "../../../src/rpc/status.ts";
import { describeTree } from "./erofs_support.ts";
import { buildImage, openStore, type TestStore, writeLayout } from "./support.ts";
import { directory, file, tar } from "./tar_builder.ts";

const root = { ignore: Deno.uid() !== 0 };
const shared = tar([directory("./"), directory("d", 0o1777), file("d/one", new Uint8Array(50_000).fill(7))]);
const own = tar([file("d/two", "2", { uid: 7 }), file("d/.wh.one", "")]);
const [A, B] = [buildImage([shared, own]), buildImage([shared])];
const nobody = () => [];

/** A store with two images on a kernel that mounts no EROFS, unless the test says otherwise. */
async function withImages(test: (store: TestStore, kernel: { erofs: boolean }) => Promise<void>): Promise<void> {
  const kernel = { erofs: false };
  await using store = await openStore({}, undefined, { erofs: () => kernel.erofs });
  await writeLayout(`${store.folder}/layout`, [{ image: A, name: "h.io/a:1" }, { image: B, name: "h.io/b:1" }]);
  await store.service.importLayout(`${store.folder}/layout`, undefined, {});
  await test(store, kernel);
}

const image = (store: TestStore, name: string) => store.service.resolve(`h.io/${name}:1`)!;
const namesIn = (path: string) => kernel.readDirectory(path).map(({ name }) => name).sort();
const unpacked = (store: TestStore) => namesIn(`${store.config.root}/unpacked`);
const hex = (diffId: string) => diffId.slice("sha256:".length);
const folderOf = (store: TestStore, diffId: string) => `${store.config.root}/unpacked/${hex(diffId)}`;
const problems = async (store: TestStore, changes: { repair?: boolean } = {}) =>
  (await store.service.check({ deep: true, repair: false, ...changes }, nobody)).problems;

Deno.test(
  "ImageService on a kernel without EROFS says so, and unpacks what it pulls (root)",
  root,
  () =>
    withImages(async (store) => {
      const { layers, why, problem } = await store.service.facts();
      assertEquals([layers, problem], ["folder", ""]);
      assertStringIncludes(why, "CONFIG_EROFS_FS_BACKED_BY_FILE");
      assertStringIncludes(why, "ENODEV");
      assert(store.logger.lines.some(({ level, fields }) => level === "warn" && fields?.layers === "folder"));
      assertEquals(unpacked(store), A.diffIds.map(hex).sort());
      // The folders count, in bytes and in inodes: four of the one and three of the other.
      const { usedBytes, inodesUsed } = store.service.usage();
      assertEquals(inodesUsed, 2 + 3 + 4);
      const rows = store.table.layers();
      assertEquals(usedBytes, rows.reduce((sum, { size, folder }) => sum + size + folder!.usedBytes, 0));
      assert(rows.every(({ folder }) => folder!.usedBytes >= 4096));
      assertEquals(
        image(store, "b").size > rows.find(({ diffId }) => diffId === B.diffIds[0])!.folder!.usedBytes,
        true,
      );
      assertEquals(await problems(store), []);
    }),
);

Deno.test(
  "ImageService shows the same merged tree over folders as over EROFS (root)",
  root,
  () =>
    withImages(async (store, kernel) => {
      const show = async () => {
        const { root } = await store.service.mountRootfs({ id: "c", image: image(store, "a"), readonly: false });
        // The root's own time is that of the upper folder.
        const tree = (await describeTree(root)).filter((line) => !line.startsWith(".|"));
        await store.service.unmountRootfs("c");
        return tree;
      };
      const over = await show();
      assert(over.some((line) => line.startsWith("./d|d|1777")) && !over.some((line) => line.startsWith("./d/one")));
      kernel.erofs = true;
      await store.restart();
      assertEquals(await show(), over);
    }),
);

Deno.test(
  "ImageService keeps folders over a restart, and removes them with their layers (root)",
  root,
  () =>
    withImages(async (store) => {
      const before = store.service.usage();
      const { ino } = kernel.stat(folderOf(store, A.diffIds[0]));
      // What a process that died was at, and a folder that nobody wrote down.
      await Deno.mkdir(`${store.config.root}/unpacking/left/tree`, { recursive: true });
      await Deno.mkdir(`${store.config.root}/unpacked/${"0".repeat(64)}`);
      await store.restart();
      await store.service.recover([]);
      await store.restart();
      assertEquals([store.service.usage(), kernel.stat(folderOf(store, A.diffIds[0])).ino], [before, ino]);
      assertEquals([unpacked(store), namesIn(`${store.config.root}/unpacking`)], [A.diffIds.map(hex).sort(), []]);
      await store.service.remove("h.io/a:1", nobody);
      assertEquals(unpacked(store), [hex(B.diffIds[0])]);
      await store.service.remove("h.io/b:1", nobody);
      assertEquals([unpacked(store), store.service.usage().usedBytes, store.service.usage().inodesUsed], [[], 0, 0]);
      await store.restart();
      assertEquals(namesIn(`${store.config.root}/trash`), []);
    }),
);

Deno.test(
  "ImageService sets aside what unpacks for a pull, and not what a container waits for (root)",
  root,
  async () => {
    const unpacking: number[] = [];
    const aside: number[] = [];
    // However small the layer is, it takes long enough.
    const spawn: Programs["spawn"] = (path, args, options) => {
      const child = programs.spawn(path, args, options);
      if (args.includes("__unpack")) {
        unpacking.push(child.pid);
        child.kill(SIGSTOP);
        setTimeout(() => child.kill(SIGCONT), 500);
      }
      return child;
    };
    const setAside = async (pid: number) => void aside.push(pid);
    await using store = await openStore({}, undefined, { erofs: () => false, setAside, spawn });
    // To find out what the kernel can do takes a folder, too.
    await store.service.facts();
    unpacking.length = 0;
    await writeLayout(`${store.folder}/layout`, [{ image: B, name: "h.io/b:1" }]);
    await store.service.importLayout(`${store.folder}/layout`, undefined, {});
    await kernel.removeTree(folderOf(store, B.diffIds[0]));
    await store.service.mountRootfs({ id: "c", image: image(store, "b"), readonly: false });
    assertEquals([unpacking.length, unpacked(store)], [2, [hex(B.diffIds[0])]]);
    assertEquals(unpacking.map((pid) => aside.includes(pid)), [true, false]);
    await store.service.unmountRootfs("c");
  },
);

Deno.test("ImageService begins no pull for which there is no room as files and as folders (root)", root, async () => {
  const noise = () => crypto.getRandomValues(new Uint8Array(1 << 16));
  const large = tar(Array.from({ length: 50 }, (_, number) => file(`${number}`, noise())));
  const [one, two] = [buildImage([large]), buildImage([large, tar([file("small")])])];
  const folder = await Deno.makeTempDir({ prefix: "skiff-small-" });
  await writeLayout(`${folder}/layout`, [{ image: one, name: "h.io/one:1" }]);
  await writeLayout(`${folder}/more`, [{ image: two, name: "h.io/two:1" }]);
  await Deno.mkdir(`${folder}/disk`);
  kernel.mount("none", `${folder}/disk`, "tmpfs", 0, "size=6m");
  {
    const has = { erofs: false };
    await using store = await openStore({}, `${folder}/disk`, { erofs: () => has.erofs });
    const take = (name: string) => store.service.importLayout(`${folder}/${name}`, undefined, {});
    const refused = async (name: string, saying: RegExp) => {
      const error = await assertRejects(() => take(name), RpcError);
      assertEquals([error.code, saying.test(messageOf(error))], [Code.RESOURCE_EXHAUSTED, true], messageOf(error));
    };
    await refused("layout", /take at least 6\d{6} bytes, each as a file and as a folder .* remove images/);
    assertEquals(store.table.layers(), []);
    // With EROFS there is room; without it there is none for the folder of a layer that is here.
    has.erofs = true;
    await store.restart();
    await take("layout");
    has.erofs = false;
    await store.restart();
    await refused("more", /take at least 3\d{6} bytes, each as a file and as a folder/);
    assertEquals(store.table.layers().length, 1);
  }
  await kernel.removeTree(folder);
});

Deno.test(
  "ImageService unpacks at its first use what was pulled for EROFS, and drops folders that it needs no more (root)",
  root,
  () =>
    withImages(async (store, kernel) => {
      const { usedBytes } = store.service.usage();
      const mounted = await store.service.mountRootfs({ id: "c", image: image(store, "b"), readonly: false });
      kernel.erofs = true;
      await store.restart();
      await store.service.recover([{ id: "c", imageId: B.config.digest }]);
      await store.service[Symbol.asyncDispose]();
      // What is mounted stays.
      assertEquals(unpacked(store), [hex(B.diffIds[0])]);
      assertEquals(await Deno.readFile(`${mounted.root}/d/one`), new Uint8Array(50_000).fill(7));
      await store.restart();
      await store.service.recover([{ id: "c", imageId: B.config.digest }]);
      await store.service.unmountRootfs("c");
      assert(store.service.usage().usedBytes < usedBytes);
      kernel.erofs = false;
      await store.restart();
      await store.service.mountRootfs({ id: "c", image: image(store, "a"), readonly: false });
      assertEquals(store.service.usage().usedBytes, usedBytes);
      await store.service.unmountRootfs("c");
    }),
);

Deno.test("ImageService.check() mends folders by dropping them (root)", root, () =>
  withImages(async (store) => {
    const stray = `${store.config.root}/unpacked/${"0".repeat(64)}`;
    const foreign = `${store.config.root}/unpacked/notes`;
    for (const path of [stray, foreign]) await Deno.mkdir(path);
    await kernel.removeTree(folderOf(store, A.diffIds[1]));
    const found = await problems(store);
    assertEquals(found.map(({ problem, repaired }) => [problem, repaired]).sort(), [
      ["no layer has it", false],
      ["no layer has it", false],
      ["the layer's folder is not there", false],
    ]);
    const mended = await problems(store, { repair: true });
    assertEquals(mended.filter(({ repaired }) => !repaired).map(({ subject }) => subject), [`folder ${foreign}`]);
    assertEquals([kernel.exists(stray), kernel.exists(foreign)], [false, true]);
    await Deno.remove(foreign);
    assertEquals(await problems(store), []);
    assertEquals(unpacked(store), [hex(A.diffIds[0])]);
    const { root } = await store.service.mountRootfs({ id: "c", image: image(store, "a"), readonly: false });
    assertEquals(await Deno.readTextFile(`${root}/d/two`), "2");
    // The mending image of a/b's merged folder, and its folder, are known.
    assertEquals(await problems(store), []);
    assertEquals(unpacked(store).length, 3);
    await store.service.unmountRootfs("c");
    assertEquals(unpacked(store).length, 3);
    await store.service.remove("h.io/a:1", nobody);
    assertEquals([unpacked(store), namesIn(`${store.config.root}/layers`).length], [[hex(A.diffIds[0])], 1]);
  }));

Deno.test(
  "ImageService.check() compares folders with their layers, and makes no container another one (root)",
  root,
  () =>
    withImages(async (store) => {
      const request = { id: "c", image: image(store, "a"), readonly: false };
      await store.service.mountRootfs(request);
      const mending = unpacked(store).find((name) => name.startsWith("chain-"))!;
      const spoilt = [`${folderOf(store, A.diffIds[0])}/d/one`, `${store.config.root}/unpacked/${mending}/d/more`];
      for (const path of spoilt) await Deno.writeTextFile(path, "spoilt");
      assertEquals((await store.service.check({ deep: false, repair: false }, nobody)).problems, []);
      const found = await problems(store, { repair: true });
      const stop = "containers are made of it: stop these, then check again";
      assertEquals(
        found.map(({ subject, remedy, repaired }) => [subject.split("/").at(-1), remedy, repaired]).sort(),
        [
          [mending, stop, false],
          [hex(A.diffIds[0]), stop, false],
        ].sort(),
      );
      assertEquals(found.filter(({ problem }) => /^it is not as its layer: "d/.test(problem)).length, 2);
      await store.service.unmountRootfs("c");
      assertEquals((await problems(store)).map(({ repaired }) => repaired), [false, false]);
      assertEquals((await problems(store, { repair: true })).map(({ repaired }) => repaired), [true, true]);
      assertEquals([await problems(store), unpacked(store)], [[], [hex(A.diffIds[1])]]);
      await store.service.mountRootfs(request);
      await store.service.unmountRootfs("c");
      assertEquals([await problems(store), unpacked(store).length], [[], 3]);
    }),
);

Deno.test(
  "ImageService.check() keeps the folder of a layer whose file is damaged, while that is used (root)",
  root,
  () =>
    withImages(async (store) => {
      const path = `${store.config.root}/layers/${hex(B.diffIds[0])}.erofs`;
      const whole = await Deno.readFile(path);
      const damages = [
        ["its content has another digest", whole.with(10_000, whole[10_000] ^ 1)],
        ["it cannot be unpacked: ", whole.slice().fill(0xff, whole.length - 4096)],
      ] as const;
      await store.service.mountRootfs({ id: "c", image: image(store, "b"), readonly: false });
      for (const [problem, bytes] of damages) {
        await Deno.writeFile(path, bytes);
        const [found, ...more] = await problems(store, { repair: true });
        assertEquals([found.subject, found.problem.startsWith(problem), found.repaired, more], [
          `layer ${B.diffIds[0]}`,
          true,
          false,
          [],
        ]);
        assert(unpacked(store).includes(hex(B.diffIds[0])));
      }
      await store.service.unmountRootfs("c");
      assertEquals((await problems(store, { repair: true })).map(({ repaired }) => repaired), [true]);
      assertEquals([store.service.list(), unpacked(store)], [[], []]);
    }),
);

Deno.test(
  "ImageService refuses an image file that no longer is what was written, and keeps no half folder (root)",
  root,
  () =>
    withImages(async (store) => {
      await store.service.remove("h.io/a:1", nobody);
      await kernel.removeTree(folderOf(store, B.diffIds[0]));
      const path = `${store.config.root}/layers/${hex(B.diffIds[0])}.erofs`;
      const bytes = await Deno.readFile(path);
      bytes.fill(0xff, bytes.length - 4096);
      await Deno.writeFile(path, bytes);
      const request = { id: "c", image: image(store, "b"), readonly: false };
      const error = await assertRejects(() => store.service.mountRootfs(request), RpcError, "cannot unpack");
      assertEquals(error.code, Code.FAILED_PRECONDITION);
      assertEquals([unpacked(store), namesIn(`${store.config.root}/unpacking`)], [[], []]);
    }),
);
