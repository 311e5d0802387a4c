import { assert, assertEquals, assertRejects } from "@std/assert";
import { kernel } from "../real_kernel.ts";
import { blobId, titleProblem, titlesProblem } from "../../../src/images/artifact.ts";
import { Code, messageOf, type RpcError } from "../../../src/rpc/status.ts";
import { startTestRegistry } from "./registry_support.ts";
import {
  buildArtifact,
  buildImage,
  openStore,
  sha256,
  type TestImage,
  type TestStore,
  writeLayout,
} from "./support.ts";
import { directory, file, tar } from "./tar_builder.ts";

const root = { ignore: Deno.uid() !== 0 };
const text = (content: string) => new TextEncoder().encode(content);
const big = new Uint8Array(300_001).map((_, index) => index % 253);
const nobody = () => [];

const FILES = [
  { title: "model.bin", bytes: big },
  { title: "ünïcødé/文件.txt", bytes: text("nested") },
  { title: "empty", bytes: new Uint8Array(0) },
  { title: ".wh.model.bin", bytes: text("no whiteout") },
  { title: "again", bytes: text("nested") },
  { bytes: text("nameless") },
];
const ARTIFACT = buildArtifact(FILES);

async function withArtifact(
  test: (store: TestStore, name: string, registry: ReturnType<typeof startTestRegistry>) => Promise<void>,
  artifact: TestImage = ARTIFACT,
): Promise<void> {
  await using registry = startTestRegistry(artifact);
  await using store = await openStore({ registries: { [registry.host]: { mirrors: [], plainHttp: true } } });
  await test(store, `${registry.host}/app:1`, registry);
}

async function failure(promise: Promise<unknown>): Promise<{ code: Code; message: string }> {
  const error = await assertRejects(() => promise) as RpcError;
  return { code: error.code, message: messageOf(error) };
}

Deno.test("titleProblem() takes paths inside, and nothing else", () => {
  for (const title of ["a", "a/b", ".hidden", "a b", "..a", "a..", "x".repeat(255)]) {
    assertEquals(titleProblem(title), undefined, title);
  }
  for (
    const title of [
      ...["/a", "..", "../a", "a/../b", "a/..", ".", "./a", "a//b", "a/", "a\0", "a\nb", "", "x".repeat(256)],
      "é".repeat(128),
      "a/".repeat(2047) + "ab",
    ]
  ) assert(titleProblem(title) !== undefined, JSON.stringify(title.slice(0, 20)));
});

Deno.test("titlesProblem() finds files that cannot be in one folder", () => {
  assertEquals(titlesProblem(["a/b", "a/c", "ab", "d"]), undefined);
  assert(titlesProblem(["a/b/c", "d", "a/b"])?.includes("a/b"));
  assert(titlesProblem(["a", "b", "a"])?.includes("two"));
});

Deno.test(
  "ImageService.pull() of an artifact keeps its blobs; as a volume each is a file (root)",
  root,
  () =>
    withArtifact(async (store, name) => {
      const image = await store.service.pull(name, undefined, {});
      assertEquals([image.id, image.repoTags], [ARTIFACT.manifest.digest, [name]]);
      assertEquals(image.repoDigests, [`${name.replace(":1", "")}@${ARTIFACT.manifest.digest}`]);
      assertEquals(image.artifact!.type, "application/vnd.example.files");
      assertEquals(image.artifact!.blobs.map(({ title }) => title), ["", ...FILES.map(({ title }) => title ?? "")]);
      assertEquals(image.layers.length, 7);
      assert(store.service.usage().usedBytes > big.length);
      assertEquals(store.service.resolve(name)?.id, image.id);
      assertEquals((await store.service.pull(name, undefined, {})).id, image.id);

      const path = await store.service.mountVolume({ id: "c.0", image, subPath: "" });
      assertEquals(kernel.readDirectory(path).map((entry) => entry.name).sort(), [
        ".wh.model.bin",
        "again",
        "empty",
        "model.bin",
        "ünïcødé",
      ]);
      for (const { title, bytes } of FILES) {
        if (title === undefined) continue;
        assertEquals(sha256(kernel.readFile(`${path}/${title}`, 1 << 20)), sha256(bytes), title);
        const { mode, uid, gid } = kernel.stat(`${path}/${title}`);
        assertEquals([mode & 0o7777, uid, gid], [0o644, 0, 0]);
      }
      assert(!tryWrite(`${path}/new`));
      const part = await store.service.mountVolume({ id: "c.1", image, subPath: "ünïcødé" });
      assertEquals(kernel.readText(`${part}/文件.txt`), "nested");
      const refused = await failure(store.service.remove(name, nobody));
      assertEquals(refused.code, Code.FAILED_PRECONDITION);
      for (const id of ["c.0", "c.1"]) await store.service.unmountRootfs(id);
      await store.service.remove(name, nobody);
      assertEquals(kernel.readDirectory(`${store.config.root}/layers`), []);
    }),
);

function tryWrite(path: string): boolean {
  try {
    kernel.writeFile(path, "x");
    return true;
  } catch {
    return false;
  }
}

Deno.test(
  "ImageService.mountRootfs() of an artifact is refused, and an artifact without files as a volume (root)",
  root,
  () =>
    withArtifact(async (store, name) => {
      const image = await store.service.pull(name, undefined, {});
      const run = await failure(store.service.mountRootfs({ id: "c", image, readonly: false }));
      assertEquals(run.code, Code.FAILED_PRECONDITION);
      assert(run.message.includes(name) && run.message.includes("OCI artifact"), run.message);
      const mount = await failure(store.service.mountVolume({ id: "c", image, subPath: "" }));
      assertEquals(mount.code, Code.FAILED_PRECONDITION);
      assert(mount.message.includes("org.opencontainers.image.title"), mount.message);
    }, buildArtifact([{ bytes: text("x") }])),
);

Deno.test(
  "ImageService.pull() of an artifact whose blob is another one, or whose title leads out, keeps nothing (root)",
  root,
  async () => {
    await withArtifact(async (store, name, registry) => {
      registry.misbehave = (_, path) =>
        path.endsWith(sha256(big)) ? new Response(new Uint8Array(big.length) as BodyInit) : undefined;
      const { code, message } = await failure(store.service.pull(name, undefined, {}));
      assertEquals(code, Code.DATA_LOSS);
      assert(message.includes(sha256(big)), message);
      assertEquals(store.table.layerRows.has(blobId({ title: "model.bin", digest: sha256(big) })), false);
    });
    await withArtifact(async (store, name) => {
      const { code, message } = await failure(store.service.pull(name, undefined, {}));
      assertEquals(code, Code.FAILED_PRECONDITION);
      assert(message.includes("../../x"), message);
      assertEquals(store.table.layerRows.size, 0);
    }, buildArtifact([{ title: "../../x", bytes: big }]));
  },
);

Deno.test(
  "ImageService: artifacts are checked, exported as they came, and imported (root)",
  root,
  () =>
    withArtifact(async (store, name) => {
      const image = await store.service.pull(name, undefined, {});
      await writeLayout(`${store.folder}/in`, [{
        image: buildImage([tar([directory("./"), file("a")])]),
        name: "h.io/a:1",
      }]);
      const [other] = await store.service.importLayout(`${store.folder}/in`, undefined, {});
      assertEquals((await store.service.check({ deep: true, repair: false }, nobody)).problems, []);
      const archive = `${store.folder}/out.tar`;
      await store.service.exportImages([name, "h.io/a:1"], { path: archive, folder: false }, {});
      await store.service.exportImages([name], { path: `${store.folder}/out`, folder: true }, {});
      for (const [digest, bytes] of ARTIFACT.blobs) {
        assertEquals(await Deno.readFile(`${store.folder}/out/blobs/sha256/${digest.slice(7)}`), bytes);
      }
      await using second = await openStore();
      const imported = await second.service.importLayout(archive, undefined, {});
      assertEquals(imported.map(({ id }) => id), [image.id, other.id]);
      assertEquals(second.service.resolve(name)?.artifact, image.artifact);

      const file0 = `${store.config.root}/layers/${image.layers[1].slice(7)}.erofs`;
      const bytes = await Deno.readFile(file0);
      bytes[5000]++;
      await Deno.writeFile(file0, bytes);
      const [found] = (await store.service.check({ deep: true, repair: true }, nobody)).problems;
      assertEquals([found.subject, found.repaired], [`layer ${image.layers[1]}`, true]);
      assertEquals(store.service.resolve(name), undefined);
      const { images } = await store.service.prune({ dryRun: false, unusedSeconds: 0 }, nobody);
      assertEquals(images.map(({ id }) => id), [other.id]);
    }),
);
