import { assert, assertEquals } from "@std/assert";
import { kernel, O_RDWR } from "../../../src/sys/mod.ts";
import "../real_kernel.ts";
import { startTestRegistry } from "./registry_support.ts";
import { buildImage, imagesConfig, openStore, type TestStore } from "./support.ts";
import { directory, file, tar } from "./tar_builder.ts";

const root = { ignore: Deno.uid() !== 0 };
const IMAGE = buildImage(
  ["a", "b", "c"].map((name, index) => tar([directory("./"), file(name, new Uint8Array(50_000).fill(index + 1))])),
);
const WHOLE = IMAGE.diffIds.slice(0, 2);
const nobody = () => [];
const moment = () => new Promise((resolve) => setTimeout(resolve, 10));

interface Stuck {
  store: TestStore;
  name: string;
  /** Layers that the registry was asked for. */
  asked: () => number;
  /** Gives up the pull, which waits for the last layer, and lets the next one through. */
  cancel: () => Promise<void>;
}

/** A pull that has two layers and waits for the third. */
async function whilePulling(
  unfinished: { hours: number; bytes: number },
  test: (stuck: Stuck) => Promise<void>,
): Promise<void> {
  await using registry = startTestRegistry(IMAGE);
  await using store = await openStore({
    registries: { [registry.host]: { mirrors: [], plainHttp: true } },
    unfinished,
    stallTimeoutSeconds: 60,
  });
  const hung = Promise.withResolvers<Response>();
  registry.misbehave = (_, path) => path.endsWith(IMAGE.layers[2].digest) ? hung.promise : undefined;
  const name = `${registry.host}/app:1`;
  const abort = new AbortController();
  const pull = store.service.pull(name, undefined, { signal: abort.signal }).catch(() => {});
  while (store.service.pulls()[0]?.layersDone !== 2) await moment();
  await test({
    store,
    name,
    asked: () =>
      registry.requests.filter(({ path }) => IMAGE.layers.some(({ digest }) => path.endsWith(digest))).length,
    cancel: async () => {
      abort.abort();
      await pull;
      while (kernel.readDirectory(`${store.config.root}/staging`).length > 0) await moment();
      registry.misbehave = () => undefined;
      registry.requests.length = 0;
      hung.resolve(new Response());
    },
  });
}

const AMPLE = imagesConfig().unfinished;
const rows = (store: TestStore) => [...store.table.layerRows.keys()].sort();
const files = (store: TestStore) => kernel.readDirectory(`${store.config.root}/layers`).length;

Deno.test(
  "ImageService.pull() after a cancelled one fetches only what is missing (root)",
  root,
  () =>
    whilePulling(AMPLE, async ({ store, name, asked, cancel }) => {
      await cancel();
      assertEquals([rows(store), files(store)], [[...WHOLE].sort(), 2]);
      assertEquals(store.service.list(), []);
      assertEquals((await store.service.check({ deep: true, repair: true }, nobody)).problems, []);
      const seen: number[] = [];
      const image = await store.service.pull(name, undefined, {
        onProgress: ({ layersDone }) => seen.push(layersDone),
      });
      assertEquals([image.layers, asked()], [IMAGE.diffIds, 1]);
      assertEquals(seen.find((count) => count > 0), 2);
      await store.service.remove(name, nobody);
      assertEquals(files(store), 0);
    }),
);

Deno.test("ImageService.pull() after one that failed at the last layer fetches only that (root)", root, async () => {
  await using registry = startTestRegistry(IMAGE);
  await using store = await openStore({ registries: { [registry.host]: { mirrors: [], plainHttp: true } } });
  registry.misbehave = async (_, path) => {
    if (!path.endsWith(IMAGE.layers[2].digest)) return undefined;
    while (store.service.pulls()[0]?.layersDone !== 2) await moment();
    return new Response("no", { status: 404 });
  };
  const name = `${registry.host}/app:1`;
  await store.service.pull(name, undefined, {}).then(() => assert(false), () => {});
  registry.misbehave = () => undefined;
  registry.requests.length = 0;
  await store.service.pull(name, undefined, {});
  assertEquals(registry.requests.filter(({ path }) => path.includes("/blobs/")).length, 2, "the config and one layer");
});

Deno.test(
  "ImageService keeps the layers of a cancelled pull over a restart, and as long as is configured (root)",
  root,
  () =>
    whilePulling(AMPLE, async ({ store, name, asked, cancel }) => {
      await cancel();
      await Deno.utime(
        `${store.config.root}/layers/${WHOLE[0].slice(7)}.erofs`,
        new Date(),
        new Date(Date.now() - (AMPLE.hours + 1) * 3_600_000),
      );
      const service = await store.restart();
      assertEquals([rows(store), files(store)], [[WHOLE[1]], 1]);
      await service.pull(name, undefined, {});
      assertEquals(asked(), 2);
    }),
);

for (
  const [what, unfinished, left] of [
    ["nothing where that is configured", { hours: 0, bytes: AMPLE.bytes }, 0],
    ["no more bytes than configured", { hours: 1, bytes: 100_000 }, 1],
  ] as const
) {
  Deno.test(
    `ImageService.pull() that is cancelled leaves ${what} (root)`,
    root,
    () =>
      whilePulling(unfinished, async ({ store, cancel }) => {
        await cancel();
        // What is over the bounds goes right after.
        for (const until = Date.now() + 10_000; rows(store).length !== left && Date.now() < until;) await moment();
        assertEquals([rows(store).length, files(store)], [left, left]);
      }),
  );
}

Deno.test(
  "ImageService frees what cancelled pulls left when an image is removed or space is asked for (root)",
  root,
  () =>
    whilePulling(AMPLE, async ({ store, cancel }) => {
      // What a pull that runs will need stays.
      await store.service.remove("h.io/unknown:1", nobody);
      await cancel();
      assertEquals(files(store), 2);
      const bytes = store.service.usage().usedBytes;
      const young = await store.service.prune({ dryRun: false, unusedSeconds: 3_600 }, nobody);
      assertEquals([young.bytesFreed, files(store)], [0, 2]);
      const dry = await store.service.prune({ dryRun: true, unusedSeconds: 0 }, nobody);
      assertEquals([dry.bytesFreed, files(store)], [bytes, 2]);
      await store.service.remove("h.io/unknown:1", nobody);
      assertEquals([rows(store), files(store), store.service.usage().usedBytes], [[], 0, 0]);
    }),
);

Deno.test(
  "ImageService.prune() takes what cancelled pulls left (root)",
  root,
  () =>
    whilePulling(AMPLE, async ({ store, cancel }) => {
      await cancel();
      const { usedBytes } = store.service.usage();
      assertEquals((await store.service.prune({ dryRun: false, unusedSeconds: 0 }, nobody)).bytesFreed, usedBytes);
      assertEquals([rows(store), files(store)], [[], 0]);
    }),
);

Deno.test(
  "ImageService.start() takes over whole layers of a pull that died, unless somebody can still write (root)",
  root,
  () =>
    whilePulling(AMPLE, async ({ store, name, asked, cancel }) => {
      // As a crash leaves it: the folders as they are in the middle of the pull, and no rows.
      const copies = [`${store.folder}/one`, `${store.folder}/two`];
      for (const copy of copies) {
        await Deno.mkdir(copy);
        const { success } = await new Deno.Command("/bin/cp", { args: ["-r", store.config.root, `${copy}/root`] })
          .output();
        assert(success);
      }
      await cancel();
      {
        const [staging] = kernel.readDirectory(`${copies[0]}/root/staging`);
        kernel.writeFile(`${copies[0]}/root/staging/${staging.name}/layer-7.json`, "");
        await using second = await openStore(store.config.images, copies[0]);
        assertEquals([rows(second), kernel.readDirectory(`${copies[0]}/root/staging`)], [[...WHOLE].sort(), []]);
        assertEquals((await second.service.check({ deep: true, repair: false }, nobody)).problems, []);
        const image = await second.service.pull(name, undefined, {});
        assertEquals([image.layers, asked()], [IMAGE.diffIds, 1]);
      }
      const staging = `${copies[1]}/root/staging`;
      const [{ name: folder }] = kernel.readDirectory(staging);
      const notes = kernel.readDirectory(`${staging}/${folder}`).filter(({ name }) => name.endsWith(".json"));
      assertEquals(notes.length, 2);
      const writer = kernel.open(`${staging}/${folder}/${notes[0].name.replace(".json", ".part")}`, O_RDWR);
      await using third = await openStore(store.config.images, copies[1]);
      kernel.close(writer);
      assertEquals([rows(third).length, files(third), kernel.readDirectory(staging)], [1, 1, []]);
    }),
);
