import { assert, assertEquals, assertRejects } from "@std/assert";
import { kernel, mountsBelow } from "../real_kernel.ts";
import { messageOf } from "../../../src/rpc/status.ts";
import { startTestRegistry } from "./registry_support.ts";
import { buildImage, openStore, silentMount, type TestStore, writeDatabase, writeLayout } from "./support.ts";
import { directory, file, tar } from "./tar_builder.ts";

const root = { ignore: Deno.uid() !== 0 };
const nobody = () => [];
const shared = tar([directory("./"), file("shared", new Uint8Array(50_000).fill(7))]);
const THEIRS = buildImage([shared, tar([file("theirs")])]);
const OURS = buildImage([shared, tar([file("ours")])]);

/** A store with an image, closed, and all that is in it. */
async function withStores(
  test: (ours: TestStore, theirs: string, files: () => string[]) => Promise<void>,
  config: Parameters<typeof openStore>[0] = {},
  machine: Parameters<typeof openStore>[2] = {},
): Promise<void> {
  await using theirs = await openStore();
  await writeLayout(`${theirs.folder}/layout`, [{ image: THEIRS, name: "h.io/theirs:1" }]);
  await theirs.service.importLayout(`${theirs.folder}/layout`, undefined, {});
  await theirs.service[Symbol.asyncDispose]();
  await writeDatabase(theirs);
  const folder = theirs.config.root;
  const files = () =>
    [folder, `${folder}/layers`].flatMap((path) =>
      kernel.readDirectory(path).map(({ name }) => {
        const { size, mtime, ino } = kernel.stat(`${path}/${name}`);
        return `${name} ${size} ${mtime} ${ino}`;
      })
    ).sort();
  const before = files();
  {
    await using ours = await openStore({ ...config, additionalStores: [folder] }, undefined, machine);
    await test(ours, folder, files);
  }
  assertEquals(files(), before);
}

const own = (store: TestStore) => kernel.readDirectory(`${store.config.root}/layers`).length;
const hasFuse = await Deno.stat("/dev/fuse").then(() => true, () => false);
const tags = (store: TestStore) => store.service.list().flatMap(({ repoTags }) => repoTags).sort();

Deno.test(
  "AdditionalStores: their images are listed and mounted where they lie, and nothing of them is ours (root)",
  root,
  () =>
    withStores(async (store, folder) => {
      const image = store.service.resolve("h.io/theirs:1")!;
      assertEquals([image.id, image.store, tags(store)], [THEIRS.config.digest, folder, ["h.io/theirs:1"]]);
      assert(image.size > 50_000);
      assertEquals(store.service.usage().usedBytes, 0);
      assertEquals(store.logger.lines.filter(({ level }) => level === "error"), []);
      const { root: path } = await store.service.mountRootfs({ id: "c", image, readonly: false });
      assertEquals(kernel.readFile(`${path}/shared`, 100_000).length, 50_000);
      kernel.writeFile(`${path}/new`, "x");
      const [shown] = mountsBelow(`${store.config.root}/additional`, kernel).map(({ mountPoint }) => mountPoint);
      const refused = await assertRejects(async () => kernel.writeFile(`${shown}/x`, ""));
      assert(messageOf(refused).includes("EROFS"), messageOf(refused));
      await store.restart();
      await store.service.recover([{ id: "c", imageId: image.id }]);
      assertEquals(kernel.readFile(`${path}/shared`, 100_000).length, 50_000);
      await assertRejects(() => store.service.remove("h.io/theirs:1", nobody));
      await store.service.unmountRootfs("c");
      const { images, kept, bytesFreed } = await store.service.prune({ dryRun: false, unusedSeconds: 0 }, nobody);
      assertEquals([images, bytesFreed, kept.length], [[], 0, 1]);
      assert(kept[0].reason.includes(folder), kept[0].reason);
      await store.service[Symbol.asyncDispose]();
      assertEquals(mountsBelow(shown, kernel), []);
      assertEquals(kernel.exists(`${store.config.root}/additional`), false);
    }),
);

Deno.test(
  "AdditionalStores: a pull leaves out the layers that are there; what is removed here stays there (root)",
  root,
  async () => {
    await using registry = startTestRegistry(OURS);
    await withStores(async (store) => {
      let total = 0;
      const name = `${registry.host}/app:1`;
      const image = await store.service.pull(name, undefined, { onProgress: ({ bytesTotal }) => total = bytesTotal });
      assertEquals([total, own(store)], [OURS.layers[1].bytes.length, 1]);
      assertEquals(registry.requests.some(({ path }) => path.endsWith(OURS.layers[0].digest)), false);
      const { root: path } = await store.service.mountRootfs({ id: "c", image, readonly: true });
      assertEquals(kernel.readDirectory(path).map(({ name }) => name).sort(), ["ours", "shared"]);
      await store.service.unmountRootfs("c");
      assertEquals((await store.service.check({ deep: true, repair: false }, nobody)).problems, []);
      await store.service.exportImages([name], { path: `${store.folder}/out.tar`, folder: false }, {});

      // As CRI-O has it: gone until it is pulled again, or the daemon starts again.
      await store.service.remove("h.io/theirs:1", nobody);
      assertEquals(tags(store), [name]);
      await store.service.remove(name, nobody);
      assertEquals([tags(store), own(store)], [[], 0]);
      await store.restart();
      assertEquals(tags(store), ["h.io/theirs:1"]);
    }, { registries: { [registry.host]: { mirrors: [], plainHttp: true } } });
  },
);

Deno.test(
  "AdditionalStores: an image of theirs that is pulled by another name is ours, and shares all layers (root)",
  root,
  async () => {
    await using registry = startTestRegistry(THEIRS);
    await withStores(async (store) => {
      const name = `${registry.host}/app:1`;
      const { id } = await store.service.pull(name, undefined, {});
      assertEquals([tags(store), own(store)], [[name, "h.io/theirs:1"].sort(), 0]);
      assertEquals([store.service.resolve(name)?.store, "store" in store.table.imageRows.get(id)!], [undefined, false]);
      await store.restart();
      assertEquals(tags(store), [name, "h.io/theirs:1"].sort());
      await store.service.remove(name, nobody);
      const requests = registry.requests.length;
      await store.service.pull(name, undefined, {});
      // The manifest, and the config.
      assertEquals([registry.requests.length - requests, own(store)], [2, 0]);
    }, { registries: { [registry.host]: { mirrors: [], plainHttp: true } } });
  },
);

Deno.test(
  "AdditionalStores: what is damaged there is found and not mended; a store that is not there is in the log (root)",
  root,
  async () => {
    await using theirs = await openStore();
    await writeLayout(`${theirs.folder}/layout`, [{ image: THEIRS, name: "h.io/theirs:1" }]);
    await theirs.service.importLayout(`${theirs.folder}/layout`, undefined, {});
    await writeDatabase(theirs);
    const folder = theirs.config.root;
    const broken = `${theirs.folder}/broken`;
    await Deno.mkdir(`${broken}/layers`, { recursive: true });
    await Deno.writeTextFile(`${broken}/store.db`, "no database");
    await using store = await openStore({ additionalStores: ["/nowhere", broken, folder] });
    const errors = store.logger.lines.filter(({ level }) => level === "error");
    errors.sort((a, b) => String(a.fields?.folder) < String(b.fields?.folder) ? -1 : 1);
    assertEquals(errors.map(({ fields }) => fields?.folder), ["/nowhere", broken].sort());
    for (const { fields } of errors) assert(String(fields?.fix).includes("images.additionalStores"));
    assert(errors.some(({ fields }) => /not a database/.test(String(fields?.reason))), JSON.stringify(errors));
    assertEquals(tags(store), ["h.io/theirs:1"]);
    const path = `${folder}/layers/${THEIRS.diffIds[0].slice(7)}.erofs`;
    const bytes = await Deno.readFile(path);
    bytes[6000]++;
    await Deno.writeFile(path, bytes);
    const { problems } = await store.service.check({ deep: true, repair: true }, nobody);
    assertEquals(problems.map(({ subject, repaired }) => [subject, repaired]), [
      [`layer ${THEIRS.diffIds[0]} in ${folder}`, false],
    ]);
    assertEquals(await Deno.readFile(path), bytes);
    assertEquals(tags(store), ["h.io/theirs:1"]);
  },
);

Deno.test(
  "AdditionalStores: without EROFS their layers are unpacked into folders of ours, which are counted, kept, and known (root)",
  root,
  () =>
    withStores(
      async (store) => {
        const image = store.service.resolve("h.io/theirs:1")!;
        const show = async () => {
          const { root: path } = await store.service.mountRootfs({ id: "c", image, readonly: false });
          assertEquals(kernel.readFile(`${path}/shared`, 100_000).length, 50_000);
        };
        await show();
        const { usedBytes, inodesUsed } = store.service.usage();
        assertEquals([usedBytes > 50_000, inodesUsed, own(store)], [true, 4, 0]);
        const folders = () => kernel.readDirectory(`${store.config.root}/unpacked`).map(({ name }) => name).sort();
        assertEquals(folders(), THEIRS.diffIds.map((diffId) => diffId.slice("sha256:".length)).sort());
        for (const known of [[{ id: "c", imageId: image.id }], []]) {
          await store.restart();
          await store.service.recover(known);
          // What tidies up is over when the service has ended.
          await store.service[Symbol.asyncDispose]();
          assertEquals([store.service.usage().inodesUsed, folders().length], [4, 2]);
        }
        await store.restart();
        assertEquals((await store.service.check({ deep: true, repair: true }, nobody)).problems, []);
        await show();
        await store.service.unmountRootfs("c");
      },
      {},
      { erofs: () => false },
    ),
);

async function until(what: string, condition: () => boolean): Promise<void> {
  for (let round = 0; round < 600; round++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`waited in vain: ${what}`);
}

Deno.test({
  name: "AdditionalStores: one that does not answer holds nothing up, and is taken in when it does (root)",
  // The process that waits is left to the kernel where the test ends first.
  sanitizeOps: false,
  ignore: root.ignore || !hasFuse,
  fn: async () => {
    await using registry = startTestRegistry(OURS);
    const name = `${registry.host}/app:1`;
    const registries = { [registry.host]: { mirrors: [], plainHttp: true } };
    const storeTimes = { patience: 3_000, interval: 50 };
    await withStores(
      async (store, folder) => {
        await store.service.pull(name, undefined, {});
        await store.service.remove("h.io/theirs:1", nobody);
        const rows = store.table.imageRows.size;
        {
          using _silent = silentMount(folder);
          await store.service[Symbol.asyncDispose]();
          const mark = store.logger.lines.length;
          const started = performance.now();
          let ticks = 0;
          const pulse = setInterval(() => ticks++, 10);
          await store.restart();
          clearInterval(pulse);
          const took = performance.now() - started;
          assert(took > 2_900 && took < 10_000, `${took} ms`);
          assert(ticks > 30, `${ticks} turns of the event loop`);
          const warnings = store.logger.lines.slice(mark).filter(({ message }) => /does not answer/.test(message));
          assertEquals(warnings.map(({ level, fields }) => [level, fields?.folder]), [["warn", folder]]);
          // The image of this node has a layer there: it is not shown, and not dropped.
          assertEquals([tags(store), store.table.imageRows.size], [[], rows]);
          await store.service.recover([{ id: "c", imageId: OURS.config.digest }]);
          await store.service.prune({ dryRun: false, unusedSeconds: 0 }, nobody);
          assertEquals(own(store), 1);
        }
        await until("both are there", () => tags(store).length === 2);
        assertEquals(tags(store), [name, "h.io/theirs:1"].sort());
        const image = store.service.resolve(name)!;
        const { root: path } = await store.service.mountRootfs({ id: "c", image, readonly: true });
        assertEquals(kernel.readDirectory(path).map(({ name }) => name).sort(), ["ours", "shared"]);
        await store.service.unmountRootfs("c");
        {
          using _silent = silentMount(folder);
          await store.restart();
          // It ends although a process of its waits there.
          const ending = performance.now();
          await store.service[Symbol.asyncDispose]();
          assert(performance.now() - ending < 3_000, `${performance.now() - ending} ms`);
        }
      },
      { registries },
      { storeTimes },
    );
  },
});

Deno.test(
  "AdditionalStores: where one answers with an error after all, images that need it are dropped (root)",
  { ignore: root.ignore || !hasFuse, sanitizeOps: false },
  async () => {
    await using registry = startTestRegistry(OURS);
    const registries = { [registry.host]: { mirrors: [], plainHttp: true } };
    await withStores(
      async (store, folder) => {
        await store.service.pull(`${registry.host}/app:1`, undefined, {});
        await store.service[Symbol.asyncDispose]();
        await Deno.rename(`${folder}/store.db`, `${folder}/elsewhere`);
        {
          using _silent = silentMount(folder);
          await store.restart();
          assertEquals([tags(store), store.table.imageRows.size], [[], 1]);
        }
        await until("the row is gone", () => store.table.imageRows.size === 0);
        await Deno.rename(`${folder}/elsewhere`, `${folder}/store.db`);
        assert(store.logger.lines.some(({ message }) => /lost a layer/.test(message)));
      },
      { registries },
      { storeTimes: { patience: 3_000, interval: 3_600_000 } },
    );
  },
);

Deno.test(
  "AdditionalStores: what has changed there is seen, and what it has become unreadable by is not (root)",
  root,
  async () => {
    await using theirs = await openStore();
    await writeLayout(`${theirs.folder}/layout`, [
      { image: THEIRS, name: "h.io/theirs:1" },
      { image: OURS, name: "h.io/more:1" },
    ]);
    await theirs.service.importLayout(`${theirs.folder}/layout`, undefined, {});
    const folder = theirs.config.root;
    const { imageRows } = theirs.table;
    const more = imageRows.get(OURS.config.digest)!;
    imageRows.delete(more.id);
    await writeDatabase(theirs);
    await using store = await openStore({ additionalStores: ["/nowhere", folder] }, undefined, {
      storeTimes: { patience: 5_000, interval: 50 },
    });
    assertEquals(tags(store), ["h.io/theirs:1"]);
    const image = store.service.resolve("h.io/theirs:1")!;
    const { root: path } = await store.service.mountRootfs({ id: "c", image, readonly: true });

    imageRows.set(more.id, more);
    await writeDatabase(theirs);
    await until("the new image is there", () => tags(store).length === 2);
    const added = store.service.resolve("h.io/more:1")!;
    const { root: second } = await store.service.mountRootfs({ id: "d", image: added, readonly: true });
    assertEquals(kernel.readDirectory(second).map(({ name }) => name).sort(), ["ours", "shared"]);
    await until("one mount is left", () => mountsBelow(`${store.config.root}/additional`, kernel).length === 1);
    assertEquals(kernel.readFile(`${path}/shared`, 100_000).length, 50_000);

    // What was removed here stays so; what was removed there goes.
    await store.service.unmountRootfs("c");
    await store.service.remove("h.io/theirs:1", nobody);
    await store.service.unmountRootfs("d");
    await Deno.remove(`${folder}/store.db`);
    imageRows.delete(more.id);
    await writeDatabase(theirs);
    await until("the image is gone", () => tags(store).length === 0);

    imageRows.set(more.id, more);
    await writeDatabase(theirs);
    await until("it is back", () => tags(store).length === 1);
    await Deno.writeTextFile(`${folder}/store.db`, "no database");
    const errors = () =>
      store.logger.lines.filter(({ level, fields }) => level === "error" && fields?.folder === folder);
    await until("the log says so", () => errors().length > 0);
    await new Promise((resolve) => setTimeout(resolve, 500));
    assertEquals([errors().length, tags(store)], [1, ["h.io/more:1"]]);
  },
);
