import { assert, assertEquals, assertRejects } from "@std/assert";
import { kernel, mountsBelow } from "../real_kernel.ts";
import { messageOf } from "../../../src/rpc/status.ts";
import { startTestRegistry } from "./registry_support.ts";
import { buildImage, openStore, type TestStore, writeDatabase, writeLayout } from "./support.ts";
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
      const shown = `${store.config.root}/additional/0`;
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
    await Deno.mkdir(broken);
    await Deno.writeTextFile(`${broken}/store.db`, "no database");
    await using store = await openStore({ additionalStores: ["/nowhere", broken, folder] });
    const errors = store.logger.lines.filter(({ level }) => level === "error");
    assertEquals(errors.map(({ fields }) => fields?.folder), ["/nowhere", broken]);
    for (const { fields } of errors) assert(String(fields?.fix).includes("images.additionalStores"));
    assert(/not a database/.test(String(errors[1].fields?.reason)), String(errors[1].fields?.reason));
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
