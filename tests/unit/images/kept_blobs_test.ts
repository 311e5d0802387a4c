import { assert, assertEquals } from "@std/assert";
import { kernel } from "../real_kernel.ts";
import { servedImage } from "../../../src/images/serving/served_image.ts";
import type { ImageRecord } from "../../../src/images/types.ts";
import { startTestRegistry, type TestRegistry } from "./registry_support.ts";
import { buildImage, buildIndex, openStore, sha256, type TestImage, type TestStore } from "./support.ts";
import { directory, file, tar } from "./tar_builder.ts";

const root = { ignore: Deno.uid() !== 0 };
const nobody = () => [];
const tars = [
  tar([directory("./"), file("a", new Uint8Array(90_000).fill(5))]),
  tar([file("b", new TextEncoder().encode("b"))]),
];
const GZIP = buildImage(tars);
/** The same image, whose layers came unpacked. */
const PLAIN = buildImage(tars, { compress: (bytes) => bytes, mediaType: "application/vnd.oci.image.layer.v1.tar" });

async function withStore(
  image: TestImage,
  test: (store: TestStore, name: string, registry: TestRegistry) => Promise<void>,
  keepBlobs = true,
): Promise<void> {
  await using registry = startTestRegistry(image);
  await using store = await openStore({
    registries: { [registry.host]: { mirrors: [], plainHttp: true } },
    serve: { address: "", tlsCertFile: "", tlsKeyFile: "", keepBlobs },
  });
  await test(store, `${registry.host}/app:1`, registry);
}

const blobsOf = (store: TestStore) => {
  const folder = `${store.config.root}/blobs`;
  return kernel.exists(folder) ? kernel.readDirectory(folder).map(({ name }) => `sha256:${name}`).sort() : [];
};
const gzipped = GZIP.layers.map(({ digest }) => digest).sort();

/** As the process that serves is told. */
function served(store: TestStore, image: ImageRecord) {
  const layers = {
    get: (diffId: string) => store.table.layerRows.get(diffId),
    path: (diffId: string) => `${store.config.root}/layers/${diffId.slice(7)}.erofs`,
  };
  const path = (digest: string) => `${store.config.root}/blobs/${digest.slice(7)}`;
  return servedImage(image, layers, { has: (digest) => kernel.exists(path(digest)), path });
}

Deno.test(
  "keepBlobs: manifests and layers are kept as they came, counted, and go with the image (root)",
  root,
  () =>
    withStore(GZIP, async (store, name) => {
      const image = await store.service.pull(name, undefined, {});
      assertEquals(blobsOf(store), gzipped);
      for (const { digest, bytes } of GZIP.layers) {
        assertEquals(await Deno.readFile(`${store.config.root}/blobs/${digest.slice(7)}`), bytes);
      }
      const packed = GZIP.layers.reduce((sum, { bytes }) => sum + bytes.length, 0);
      const files = kernel.readDirectory(`${store.config.root}/layers`);
      const stats = files.map(({ name }) => kernel.stat(`${store.config.root}/layers/${name}`));
      const layerBytes = stats.reduce((sum, { size, blocks }) => sum + Math.min(size, blocks * 512), 0);
      assertEquals(store.service.usage().usedBytes, layerBytes + packed);
      assertEquals(image.size, layerBytes + packed + image.config.length);

      const { manifests, tags, layers } = served(store, image);
      assertEquals(tags[0].digest, GZIP.manifest.digest);
      assert(manifests.some(({ content }) => sha256(Uint8Array.fromBase64(content)) === GZIP.manifest.digest));
      assertEquals(layers.map(({ digest }) => digest).sort(), [...gzipped, ...GZIP.diffIds].sort());

      await store.restart();
      assertEquals([blobsOf(store), store.service.usage().usedBytes], [gzipped, layerBytes + packed]);
      const plan = await store.service.prune({ dryRun: true, unusedSeconds: 0 }, nobody);
      assertEquals(plan.bytesFreed, layerBytes + packed);
      await store.service.remove(name, nobody);
      assertEquals([blobsOf(store), store.service.usage().usedBytes], [[], 0]);
    }),
);

Deno.test("keepBlobs: an index is served, too, and its digest holds (root)", root, async () => {
  const index = buildIndex([{ manifest: GZIP.manifest, platform: { os: "linux", architecture: "amd64" } }]);
  const image = { ...GZIP, blobs: new Map([...GZIP.blobs, [index.digest, index.bytes]]), manifest: index };
  await withStore(image, async (store, name, registry) => {
    registry.misbehave = (_, path) =>
      path.endsWith("/manifests/1")
        ? new Response(index.bytes as BodyInit, {
          headers: { "content-type": "application/vnd.oci.image.index.v1+json" },
        })
        : undefined;
    const { manifests, tags } = served(store, await store.service.pull(name, undefined, {}));
    assertEquals(tags[0].digest, index.digest);
    const types = new Map(
      manifests.map(({ mediaType, content }) => [sha256(Uint8Array.fromBase64(content)), mediaType]),
    );
    assertEquals(types.get(index.digest), "application/vnd.oci.image.index.v1+json");
    assertEquals(types.get(GZIP.manifest.digest), "application/vnd.oci.image.manifest.v1+json");
  });
});

Deno.test(
  "keepBlobs: layers that came unpacked are kept once; one image may have come in several ways (root)",
  root,
  () =>
    withStore(PLAIN, async (store, name, registry) => {
      const image = await store.service.pull(name, undefined, {});
      assertEquals([blobsOf(store), image.id], [[], GZIP.config.digest]);
      assertEquals(served(store, image).tags[0].digest, PLAIN.manifest.digest);
      const before = store.service.usage().usedBytes;
      registry.misbehave = (_, path) => {
        const reference = path.split("/").pop()!;
        const bytes = GZIP.blobs.get(reference === "2" ? GZIP.manifest.digest : reference);
        return bytes && new Response(bytes as BodyInit);
      };
      const again = await store.service.pull(name.replace(":1", ":2"), undefined, {});
      assertEquals([again.id, blobsOf(store)], [image.id, gzipped]);
      assert(store.service.usage().usedBytes > before);
      const { manifests } = served(store, again);
      const digests = manifests.map(({ content }) => sha256(Uint8Array.fromBase64(content)));
      assert(digests.includes(PLAIN.manifest.digest) && digests.includes(GZIP.manifest.digest));
      // A root file system goes on with the layer that it has.
      assertEquals((await store.service.check({ deep: true, repair: false }, nobody)).problems, []);
    }),
);

Deno.test("keepBlobs: an image that is here is fetched again once, after the option was set (root)", root, async () => {
  await withStore(GZIP, async (store, name, registry) => {
    await store.service.pull(name, undefined, {});
    assertEquals(blobsOf(store), []);
    store.config.images.serve.keepBlobs = true;
    await store.restart();
    const { root: path } = await store.service.mountRootfs({
      id: "c",
      image: store.service.resolve(name)!,
      readonly: true,
    });
    await store.service.pull(name, undefined, {});
    assertEquals([blobsOf(store), kernel.readText(`${path}/b`)], [gzipped, "b"]);
    const requests = registry.requests.length;
    await store.service.pull(name, undefined, {});
    assertEquals(registry.requests.length - requests, 1);
    await store.service.unmountRootfs("c");
  }, false);
});

Deno.test(
  "keepBlobs: a damaged blob is found, and dropped; the image is served unpacked (root)",
  root,
  () =>
    withStore(GZIP, async (store, name) => {
      await store.service.pull(name, undefined, {});
      const path = `${store.config.root}/blobs/${gzipped[0].slice(7)}`;
      const bytes = await Deno.readFile(path);
      bytes[20]++;
      await Deno.writeFile(path, bytes);
      assertEquals((await store.service.check({ deep: false, repair: false }, nobody)).problems, []);
      const [found] = (await store.service.check({ deep: true, repair: true }, nobody)).problems;
      assertEquals([found.subject, found.repaired], [`blob ${gzipped[0]}`, true]);
      const image = store.service.resolve(name)!;
      const { tags, manifests } = served(store, image);
      assertEquals(manifests.length, 1);
      assertEquals(tags[0].digest, sha256(Uint8Array.fromBase64(manifests[0].content)));
      await store.service.pull(name, undefined, {});
      assertEquals(blobsOf(store), gzipped);
      await Deno.writeFile(`${store.config.root}/blobs/${"0".repeat(64)}`, bytes);
      await store.restart();
      assertEquals(blobsOf(store), gzipped);
    }),
);
