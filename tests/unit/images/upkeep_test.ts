import { assert, assertEquals } from "@std/assert";
import "../real_kernel.ts";
import { kernel } from "../../../src/sys/mod.ts";
import { buildImage, openStore, type TestStore, writeLayout } from "./support.ts";
import { directory, file, tar } from "./tar_builder.ts";

const root = { ignore: Deno.uid() !== 0 };
const shared = tar([directory("./"), file("shared", new Uint8Array(50_000).fill(7))]);
const own = tar([file("a", new Uint8Array(30_000).fill(1))]);
const [A, B] = [buildImage([shared, own]), buildImage([shared])];
const nobody = () => [];

async function withImages(
  test: (store: TestStore) => Promise<void>,
  options: Parameters<typeof openStore>[0] = {},
): Promise<void> {
  await using store = await openStore(options);
  await writeLayout(`${store.folder}/layout`, [{ image: A, name: "h.io/a:1" }, { image: B, name: "h.io/b:1" }]);
  await store.service.importLayout(`${store.folder}/layout`, undefined, {});
  await test(store);
}

const tags = (store: TestStore) => store.service.list().flatMap(({ repoTags }) => repoTags).sort();
const layerFile = (store: TestStore, diffId: string) => `${store.config.root}/layers/${diffId.slice(7)}.erofs`;
const problems = async (
  store: TestStore,
  changes: { deep?: boolean; repair?: boolean } = {},
  inUse = nobody as () => string[],
) => (await store.service.check({ deep: false, repair: false, ...changes }, inUse)).problems;

Deno.test(
  "ImageService.prune() keeps what is used, pinned or young, and counts only layers that nobody shares (root)",
  root,
  () =>
    withImages(async (store) => {
      const usedB = (id: string) => id === B.config.digest ? ["container c"] : [];
      const dry = await store.service.prune({ dryRun: true, unusedSeconds: 0 }, usedB);
      assertEquals(dry.images.map(({ id }) => id), [A.config.digest]);
      assertEquals(dry.kept.map(({ reason }) => reason), ["it is used by container c"]);
      assertEquals(tags(store).length, 2);
      assertEquals((await store.service.prune({ dryRun: false, unusedSeconds: 3_600 }, nobody)).images, []);
      const before = store.service.usage().usedBytes;
      const done = await store.service.prune({ dryRun: false, unusedSeconds: 0 }, usedB);
      assertEquals(done.bytesFreed, dry.bytesFreed);
      assertEquals(before - store.service.usage().usedBytes, dry.bytesFreed);
      assert(dry.bytesFreed >= 30_000 && dry.bytesFreed < 80_000);
      assertEquals(tags(store), ["h.io/b:1"]);
      // A root file system keeps its image, whoever made it.
      await store.service.mountRootfs({ id: "c", image: store.service.resolve("h.io/b:1")!, readonly: true });
      assertEquals((await store.service.prune({ dryRun: false, unusedSeconds: 0 }, nobody)).images, []);
      await store.service.unmountRootfs("c");
      assertEquals((await store.service.prune({ dryRun: false, unusedSeconds: 0 }, nobody)).images.length, 1);
      assertEquals(kernel.readDirectory(`${store.config.root}/layers`), []);
    }),
);

Deno.test("ImageService.prune() keeps pinned images (root)", root, () =>
  withImages(async (store) => {
    const { images, kept } = await store.service.prune({ dryRun: false, unusedSeconds: 0 }, nobody);
    assertEquals([images.length, kept[0].reason], [1, "it is pinned (images.pinned)"]);
    assertEquals(tags(store), ["h.io/a:1"]);
  }, { pinned: ["h.io/a:1"] }));

Deno.test(
  "ImageService.check() finds nothing in a sound store, and a repair changes nothing there (root)",
  root,
  () =>
    withImages(async (store) => {
      const result = await store.service.check({ deep: true, repair: true }, nobody);
      assertEquals([result.images, result.layers, result.problems], [2, 2, []]);
      assertEquals(result.bytes, store.service.usage().usedBytes);
      assertEquals(tags(store), ["h.io/a:1", "h.io/b:1"]);
    }),
);

Deno.test(
  "ImageService.check() finds a lost, a cut and a damaged layer, and drops what needs it only when nobody uses it (root)",
  root,
  async () => {
    const spoil: [string, boolean, (path: string) => Promise<void>][] = [
      ["its file is not there", false, (path) => Deno.remove(path)],
      ["its file is shorter than it was", false, (path) => Deno.truncate(path, 4096)],
      ["its content has another digest", true, async (path) => {
        const bytes = await Deno.readFile(path);
        bytes[4096 + 600] ^= 1;
        await Deno.writeFile(path, bytes);
      }],
    ];
    for (const [problem, deep, damage] of spoil) {
      await withImages(async (store) => {
        await damage(layerFile(store, A.diffIds[1]));
        const [found] = await problems(store, { deep });
        assertEquals([found.subject, found.problem, found.repaired], [`layer ${A.diffIds[1]}`, problem, false]);
        if (deep) assertEquals(await problems(store), []);
        const [used] = await problems(store, { deep, repair: true }, () => ["container c"]);
        assertEquals([used.repaired, used.remedy.includes("container c")], [false, true]);
        assertEquals(tags(store).length, 2);
        const [mended] = await problems(store, { deep, repair: true });
        assertEquals([mended.repaired, mended.remedy], [
          true,
          "drop the layer and what needs it; pull again: h.io/a:1",
        ]);
        assertEquals(tags(store), ["h.io/b:1"]);
        assertEquals(await problems(store, { deep: true }), []);
        await store.service.importLayout(`${store.folder}/layout`, undefined, {});
        assertEquals(await problems(store, { deep: true }), []);
      });
    }
  },
);

Deno.test(
  "ImageService.check() removes stray layer files, and nothing that is not its own (root)",
  root,
  () =>
    withImages(async (store) => {
      const stray = `${store.config.root}/layers/${"0".repeat(64)}.erofs`;
      const foreign = `${store.config.root}/layers/notes.txt`;
      await Deno.writeTextFile(stray, "x");
      await Deno.writeTextFile(foreign, "y");
      const found = await problems(store);
      assertEquals(found.map(({ subject }) => subject).sort(), [`file ${stray}`, `file ${foreign}`].sort());
      await problems(store, { repair: true });
      assertEquals([kernel.exists(stray), kernel.exists(foreign)], [false, true]);
      assertEquals(tags(store).length, 2);
    }),
);
