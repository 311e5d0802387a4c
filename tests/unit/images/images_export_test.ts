import { assert, assertEquals, assertRejects } from "@std/assert";
import "../real_kernel.ts";
import { type AsyncFd, asyncFd, kernel, O_NONBLOCK, O_RDONLY } from "../../../src/sys/mod.ts";
import { Code, messageOf, RpcError } from "../../../src/rpc/status.ts";
import { run } from "./erofs_support.ts";
import { buildImage, json, openStore, sha256, type TestStore, writeLayout } from "./support.ts";
import { directory, file, tar } from "./tar_builder.ts";

const root = { ignore: Deno.uid() !== 0 };
const shared = tar([directory("./"), file("shared", new Uint8Array(100_000).fill(7))]);
const A = buildImage([shared, tar([file("a", new TextEncoder().encode("a"))])]);
const B = buildImage([shared]);
const A_NAME = "docker.io/library/a:1";
const B_NAME = "example.com/b:2";

async function withImages(test: (store: TestStore) => Promise<void>): Promise<void> {
  await using store = await openStore();
  await writeLayout(`${store.folder}/layout`, [{ image: A, name: A_NAME }, { image: B, name: B_NAME }]);
  await store.service.importLayout(`${store.folder}/layout`, undefined, {});
  await test(store);
}

const names = (store: TestStore) => store.service.list().map(({ id, repoTags }) => [id, ...repoTags]).sort();

async function failure(promise: Promise<unknown>): Promise<{ code: Code; text: string }> {
  const error = await assertRejects(() => promise) as RpcError;
  assert(error instanceof RpcError);
  return { code: error.code, text: messageOf(error) };
}

Deno.test(
  "ImageService.exportImages() writes a tar and a folder that are imported under the same IDs (root)",
  root,
  () =>
    withImages(async (store) => {
      const progress: number[] = [];
      const onProgress = ({ bytesDone, bytesTotal }: { bytesDone: number; bytesTotal: number }) =>
        progress.push(bytesDone / bytesTotal);
      const archive = `${store.folder}/images.tar`;
      const written = await store.service.exportImages(["a:1", B_NAME], { path: archive, folder: false }, {
        onProgress,
      });
      assertEquals(written.map(({ id }) => id), [A.config.digest, B.config.digest]);
      assertEquals(progress.at(-1), 1);
      const folder = `${store.folder}/out`;
      await store.service.exportImages([A.config.digest, "b:2", B_NAME].filter((name) => name !== "b:2"), {
        path: folder,
        folder: true,
      }, {});
      const before = names(store);
      for (const path of [archive, folder]) {
        await using other = await openStore();
        await other.service.importLayout(path, undefined, {});
        assertEquals(names(other), before);
        // And once more: what was exported from the copy is the same.
        const again = `${other.folder}/again.tar`;
        await other.service.exportImages(["a:1", B_NAME], { path: again, folder: false }, {});
        assertEquals(sha256(await Deno.readFile(again)), sha256(await Deno.readFile(archive)));
      }
      // Other tools can read it: every blob has the digest of its name, and the shared layer is there once.
      await Deno.mkdir(`${store.folder}/x`);
      await run("tar", "-xf", archive, "-C", `${store.folder}/x`);
      const blobs = [...Deno.readDirSync(`${store.folder}/x/blobs/sha256`)].map(({ name }) => name);
      assertEquals(blobs.length, 2 + 2 + 2);
      for (const name of blobs) {
        assertEquals(sha256(await Deno.readFile(`${store.folder}/x/blobs/sha256/${name}`)), `sha256:${name}`);
      }
    }),
);

Deno.test(
  "ImageService.exportImages() writes into a fifo, and says when nobody reads it (root)",
  root,
  () =>
    withImages(async (store) => {
      const fifo = `${store.folder}/fifo`;
      kernel.mkfifo(fifo, 0o600);
      const source = asyncFd(kernel.open(fifo, O_RDONLY | O_NONBLOCK));
      let bytes = Promise.resolve(new Uint8Array());
      let isFirst = true;
      await store.service.exportImages(["a:1"], { path: fifo, folder: false }, {
        onProgress: () => {
          if (isFirst) bytes = readAll(source);
          isFirst = false;
        },
      });
      await Deno.writeFile(`${store.folder}/copy.tar`, await bytes);
      source.close();
      await using other = await openStore();
      const [image] = await other.service.importLayout(`${store.folder}/copy.tar`, undefined, {});
      assertEquals(image.id, A.config.digest);
      assert(
        (await failure(store.service.exportImages(["a:1"], { path: fifo, folder: false }, {}))).text.includes("fifo"),
      );
      assert(kernel.exists(fifo));
    }),
);

Deno.test(
  "ImageService.exportImages() refuses what is there, what it has not, and leaves nothing of a failure (root)",
  root,
  () =>
    withImages(async (store) => {
      const path = `${store.folder}/out`;
      const target = (folder: boolean) => ({ path, folder });
      assertEquals((await failure(store.service.exportImages(["c:1"], target(false), {}))).code, Code.NOT_FOUND);
      assertEquals((await failure(store.service.exportImages([], target(false), {}))).code, Code.INVALID_ARGUMENT);
      await Deno.writeTextFile(path, "precious");
      assertEquals((await failure(store.service.exportImages(["a:1"], target(false), {}))).code, Code.ALREADY_EXISTS);
      assert((await failure(store.service.exportImages(["a:1"], target(true), {}))).text.includes("exists"));
      assertEquals(await Deno.readTextFile(path), "precious");
      await Deno.remove(path);

      const file = `${store.config.root}/layers/${A.diffIds[1].slice(7)}.erofs`;
      const bytes = await Deno.readFile(file);
      bytes[4096 + 512] ^= 1;
      await Deno.writeFile(file, bytes);
      for (const folder of [true, false]) {
        const { text } = await failure(store.service.exportImages(["a:1"], target(folder), {}));
        assert(text.includes(`is damaged: it is not ${A.diffIds[1]}`), text);
        assertEquals(kernel.exists(path), false);
      }
      const stop = new AbortController();
      const stopped = store.service.exportImages([B_NAME], target(false), { signal: stop.signal });
      stop.abort(new Error("enough"));
      assertEquals((await failure(stopped)).code, Code.CANCELLED);
      assertEquals(kernel.exists(path), false);
      const row = store.table.layerRows.get(B.diffIds[0])!;
      delete row.tarBytes;
      assert(
        (await failure(store.service.exportImages([B_NAME], target(false), {}))).text.includes("an earlier version"),
      );
    }),
);

/** What `docker save` has written for a long time. */
async function dockerSave(folder: string, tags: string[] | null): Promise<string> {
  const [hex] = [A.config.digest.slice(7)];
  await Deno.mkdir(`${folder}/save/one`, { recursive: true });
  await Deno.mkdir(`${folder}/save/two`, { recursive: true });
  await Deno.mkdir(`${folder}/save/three`, { recursive: true });
  await Deno.writeFile(`${folder}/save/${hex}.json`, A.config.bytes);
  await Deno.writeFile(`${folder}/save/one/layer.tar`, shared);
  await Deno.writeFile(`${folder}/save/two/layer.tar`, tar([file("a", new TextEncoder().encode("a"))]));
  await Deno.symlink("../one/layer.tar", `${folder}/save/three/layer.tar`);
  const manifest = [{ Config: `${hex}.json`, RepoTags: tags, Layers: ["three/layer.tar", "two/layer.tar"] }];
  await Deno.writeTextFile(`${folder}/save/manifest.json`, JSON.stringify(manifest));
  await Deno.writeTextFile(`${folder}/save/repositories`, "{}");
  await run("tar", "-cf", `${folder}/save.tar`, "-C", `${folder}/save`, ".");
  return `${folder}/save.tar`;
}

Deno.test(
  "ImageService.importLayout() takes what docker save writes, with links between layers (root)",
  root,
  async () => {
    await using store = await openStore();
    const path = await dockerSave(store.folder, ["team/app:1", "localhost:5000/app:2"]);
    await store.service.importLayout(path, undefined, {});
    assertEquals(names(store), [[A.config.digest, "docker.io/team/app:1", "localhost:5000/app:2"]]);
    await store.service.importLayout(await dockerSave(`${store.folder}/second`, null), "named:3", {});
    assert(names(store)[0].includes("docker.io/library/named:3"));
    assertEquals(kernel.readDirectory(`${store.config.root}/staging`), []);
  },
);

Deno.test("ImageService.importLayout() says what is wrong with a tar (root)", root, async () => {
  await using store = await openStore();
  const path = `${store.folder}/x.tar`;
  const importing = async (bytes: Uint8Array) => {
    await Deno.writeFile(path, bytes);
    return (await failure(store.service.importLayout(path, "app", {}))).text;
  };
  const text = (value: unknown) => json(value).bytes;
  const contains = (text: string, part: string) => assert(text.includes(part), text);
  contains(await importing(new Uint8Array([0x1f, 0x8b, 8, 0])), "is compressed; unpack it first");
  contains(await importing(new TextEncoder().encode("hello")), "in the middle of an entry");
  contains(await importing(tar([file("x", text({}))])), "neither an index.json (OCI layout) nor a manifest.json");
  contains(await importing(tar([file("../index.json", text({}))])), "a name in it leads out of it");
  contains(await importing(tar([file("index.json", text([]))])), "is not a JSON object");
  contains(await importing(tar([file("manifest.json", text({}))])), "manifest.json is not a list");
  const lost = [{ Config: "c.json", Layers: [] }];
  contains(await importing(tar([file("manifest.json", text(lost))])), 'names "c.json", which is not in it');
  const index = {
    schemaVersion: 2,
    manifests: [{ mediaType: "application/vnd.oci.image.manifest.v1+json", digest: A.manifest.digest, size: 3 }],
  };
  contains(await importing(tar([file("index.json", text(index))])), `${A.manifest.digest} is not in it`);
  contains(
    await importing(
      tar([file("index.json", text(index)), file(`blobs/sha256/${A.manifest.digest.slice(7)}`, text({}))]),
    ),
    "its schemaVersion is undefined, not 2",
  );
  assertEquals([store.table.imageRows.size, store.table.layerRows.size], [0, 0]);
  assertEquals(kernel.readDirectory(`${store.config.root}/staging`), []);
});

async function readAll(source: AsyncFd): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  const buffer = new Uint8Array(1 << 16);
  for (let count = await source.read(buffer); count !== null; count = await source.read(buffer)) {
    parts.push(buffer.slice(0, count));
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}
