import { assert, assertEquals, assertRejects } from "@std/assert";
import { kernel } from "../real_kernel.ts";
import { Code, messageOf, RpcError } from "../../../src/rpc/status.ts";
import type { PullProgress } from "../../../src/images/types.ts";
import { cutBody, hasDockerRegistry, push, startDockerRegistry, startTestRegistry } from "./registry_support.ts";
import { buildImage, buildIndex, json, openStore, sha256, type TestImage, type TestStore } from "./support.ts";
import { directory, file, tar } from "./tar_builder.ts";

const root = { ignore: Deno.uid() !== 0 };

const random = (size: number) => {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += 65_536) crypto.getRandomValues(bytes.subarray(at, Math.min(size, at + 65_536)));
  return bytes;
};
const layer = (name: string, size = 1000) => tar([directory("./"), file(name, random(size))]);

async function withRegistry(
  image: TestImage,
  test: (store: TestStore, registry: ReturnType<typeof startTestRegistry>, name: string) => Promise<void>,
): Promise<void> {
  await using registry = startTestRegistry(image);
  await using store = await openStore({
    registries: { [registry.host]: { mirrors: [], plainHttp: true } },
    stallTimeoutSeconds: 1,
  });
  await test(store, registry, `${registry.host}/app:1`);
}

async function failure(promise: Promise<unknown>): Promise<{ code: Code; text: string }> {
  const error = await assertRejects(() => promise) as RpcError;
  return { code: error.code, text: messageOf(error) };
}

/** Nothing of a failed pull may stay. */
function assertEmpty(store: TestStore): void {
  assertEquals(kernel.readDirectory(`${store.config.root}/layers`), []);
  assertEquals(kernel.readDirectory(`${store.config.root}/staging`), []);
  assertEquals([store.table.imageRows.size, store.table.layerRows.size], [0, 0]);
}

Deno.test("ImageService.pull() from a real registry; a second image fetches only the layer it does not share (root)", {
  ignore: root.ignore || !hasDockerRegistry,
}, async () => {
  const folder = await Deno.makeTempDir();
  const shared = layer("shared", 50_000);
  const [a, b] = [buildImage([shared, layer("a")]), buildImage([shared, layer("b")])];
  {
    await using registry = await startDockerRegistry(folder);
    await push(registry.host, "team/a", "1", a);
    await push(registry.host, "team/b", "2", b);
    await using store = await openStore({ registries: { [registry.host]: { mirrors: [], plainHttp: true } } });
    const steps: string[] = [];
    const progress: PullProgress[] = [];
    const first = await store.service.pull(`${registry.host}/team/a:1`, undefined, {
      onStep: (step) => steps.push(step),
      onProgress: (value) => progress.push(value),
    });
    assertEquals(first.id, a.config.digest);
    assertEquals(first.repoTags, [`${registry.host}/team/a:1`]);
    assertEquals(first.repoDigests, [`${registry.host}/team/a@${a.manifest.digest}`]);
    assertEquals(first.layers, a.diffIds);
    assertEquals(sha256(new TextEncoder().encode(first.config)), first.id);
    assertEquals(steps, ["manifest", "config", "layers"]);
    const { startedAt: _, bytesPerSecond: __, ...last } = progress.at(-1)!;
    assertEquals(last, {
      phase: "done",
      bytesDone: a.layers[0].bytes.length + a.layers[1].bytes.length,
      bytesTotal: a.layers[0].bytes.length + a.layers[1].bytes.length,
      layersDone: 2,
      layersTotal: 2,
    });
    let total = 0;
    const second = await store.service.pull(`${registry.host}/team/b:2`, undefined, {
      onProgress: ({ bytesTotal }) => total = bytesTotal,
    });
    assertEquals(total, b.layers[1].bytes.length);
    assertEquals(store.service.usage().inodesUsed, 3);
    assertEquals(store.service.list().map(({ id }) => id), [first.id, second.id]);
    await store.service.remove(first.id, () => []);
    assertEquals(store.service.usage().inodesUsed, 2);
    await store.service.remove(`${registry.host}/team/b:2`, () => []);
    assertEmpty(store);
    const { code, text } = await failure(store.service.pull(`${registry.host}/team/none:1`, undefined, {}));
    assertEquals(code, Code.NOT_FOUND);
    assert(text.includes(`cannot pull ${registry.host}/team/none:1`) && text.includes("404"), text);
  }
  await Deno.remove(folder, { recursive: true });
});

Deno.test(
  "ImageService.pull() by digest holds the manifest to it and gives the image no tag (root)",
  root,
  () =>
    withRegistry(buildImage([layer("x")]), async (store, registry, name) => {
      const image = (await store.service.pull(name, undefined, {})).repoDigests[0];
      assertEquals((await store.service.pull(image, undefined, {})).repoDigests, [image]);
      registry.misbehave = (_, path) =>
        path.includes("/manifests/") ? Response.json({ schemaVersion: 2, manifests: [] }) : undefined;
      const { code, text } = await failure(store.service.pull(image, undefined, {}));
      assertEquals(code, Code.DATA_LOSS);
      assert(text.includes(image.split("@")[1]), text);
    }),
);

Deno.test("ImageService.pull() says what to set where plain HTTP is not configured (root)", root, async () => {
  await using registry = startTestRegistry(buildImage([layer("x")]));
  await using store = await openStore();
  const { code, text } = await failure(store.service.pull(`${registry.host}/app:1`, undefined, {}));
  assertEquals(code, Code.FAILED_PRECONDITION);
  assert(text.includes(`images.registries."${registry.host}".plainHttp: true`), text);
});

Deno.test("ImageService.pull() picks its platform from an index, also one inside an index (root)", root, async () => {
  const [amd, arm] = [buildImage([layer("amd")]), buildImage([layer("arm")], { config: { User: "arm" } })];
  const inner = buildIndex([
    { manifest: arm.manifest, platform: { os: "linux", architecture: "arm64", variant: "v8" } },
    { manifest: amd.manifest, platform: { os: "linux", architecture: "amd64" } },
  ]);
  const outer = json({
    schemaVersion: 2,
    manifests: [{
      mediaType: "application/vnd.oci.image.index.v1+json",
      digest: inner.digest,
      size: inner.bytes.length,
      platform: { os: "linux", architecture: "amd64" },
    }],
  });
  const blobs = new Map([...amd.blobs, ...arm.blobs, [inner.digest, inner.bytes], [outer.digest, outer.bytes]]);
  await withRegistry({ ...amd, blobs, manifest: outer }, async (store, registry, name) => {
    registry.misbehave = (_, path) => {
      const bytes = blobs.get(path.split("/").pop()!);
      return path.includes("/manifests/sha256") && bytes
        ? new Response(bytes as BodyInit)
        : path.endsWith("/1")
        ? new Response(outer.bytes as BodyInit)
        : undefined;
    };
    const record = await store.service.pull(name, undefined, {});
    assertEquals([record.id, record.repoDigests], [amd.config.digest, [`${registry.host}/app@${outer.digest}`]]);
    registry.misbehave = () =>
      new Response(
        buildIndex([{ manifest: arm.manifest, platform: { os: "linux", architecture: "arm64" } }]).bytes as BodyInit,
      );
    const { code, text } = await failure(store.service.pull(name, undefined, {}));
    assertEquals(code, Code.NOT_FOUND);
    assert(text.includes("no image for linux/amd64, only for: linux/arm64"), text);
  });
});

Deno.test(
  "ImageService.pull() of the same image by many at once is one download (root)",
  root,
  () =>
    withRegistry(buildImage([layer("x", 500_000)]), async (store, registry, name) => {
      const all = await Promise.all(Array.from({ length: 5 }, () => store.service.pull(name, undefined, {})));
      assertEquals(new Set(all).size, 1);
      assertEquals(registry.requests.length, 3);
    }),
);

Deno.test("ImageService.pull() of an image by two names at once keeps both names (root)", root, () => {
  return withRegistry(buildImage([layer("a")]), async (store, registry) => {
    const names = ["app", "other"].map((name) => `${registry.host}/${name}:1`);
    // Both are at their rows at the same time.
    const { putImage } = store.table;
    store.table.putImage = async (image) => {
      await new Promise((resolve) => setTimeout(resolve, 1000));
      await putImage.call(store.table, image);
    };
    await Promise.all(names.map((name) => store.service.pull(name, undefined, {})));
    assertEquals(store.service.list().map(({ repoTags }) => repoTags), [names]);
  });
});

Deno.test("ImageService.pull() of two images at once fetches the layer they share once (root)", root, async () => {
  const shared = layer("shared", 300_000);
  const [a, b] = [buildImage([shared, layer("a")]), buildImage([shared, layer("b")])];
  await withRegistry({ ...a, blobs: new Map([...a.blobs, ...b.blobs]) }, async (store, registry) => {
    await Promise.all(
      [a, b].map(({ manifest }) => store.service.pull(`${registry.host}/app@${manifest.digest}`, undefined, {})),
    );
    const blobs = registry.requests.filter(({ path }) => path.endsWith(a.layers[0].digest));
    assertEquals(blobs.length, 1);
    assertEquals(store.service.list().length, 2);
  });
});

Deno.test(
  "ImageService.pull() goes on while one waiter is left, and stops with the last (root)",
  root,
  () =>
    withRegistry(buildImage([layer("x", 200_000)]), async (store, registry, name) => {
      const held = Promise.withResolvers<void>();
      let blocked = false;
      registry.misbehave = async (_, path) => {
        if (blocked || !path.includes("/blobs/")) return undefined;
        blocked = true;
        await held.promise;
        return undefined;
      };
      const [first, second] = [new AbortController(), new AbortController()];
      const pulls = [first, second].map(({ signal }) => store.service.pull(name, undefined, { signal }));
      pulls.forEach((pull) => pull.catch(() => {}));
      while (!blocked) await new Promise((resolve) => setTimeout(resolve, 10));
      assertEquals(store.service.pullProgress(name)?.phase, "resolving");
      first.abort();
      assertEquals((await failure(pulls[0])).code, Code.CANCELLED);
      held.resolve();
      assertEquals((await pulls[1]).repoTags, [name]);
      assertEquals(store.service.pullProgress(name), undefined);

      await store.service.remove(name, () => []);
      blocked = false;
      const third = new AbortController();
      const hung = Promise.withResolvers<Response>();
      registry.misbehave = (_, path) => {
        if (!path.includes("/blobs/")) return undefined;
        blocked = true;
        return hung.promise;
      };
      const last = store.service.pull(name, undefined, { signal: third.signal });
      last.catch(() => {});
      while (!blocked) await new Promise((resolve) => setTimeout(resolve, 10));
      third.abort();
      assertEquals((await failure(last)).code, Code.CANCELLED);
      hung.resolve(new Response());
      await store.service[Symbol.asyncDispose]();
      while (kernel.readDirectory(`${store.config.root}/staging`).length > 0) {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      assertEmpty(store);
    }),
);

Deno.test("ImageService.pull() survives a connection that is cut in a layer (root)", root, () => {
  const image = buildImage([layer("x", 300_000)]);
  return withRegistry(image, async (store, registry, name) => {
    const { bytes, digest } = image.layers[0];
    let cuts = 0;
    registry.misbehave = (request, path) =>
      path.endsWith(digest) && !request.headers.has("range") && ++cuts
        ? new Response(cutBody(bytes, 100_000))
        : undefined;
    await store.service.pull(name, undefined, {});
    assertEquals(cuts, 1);
  });
});

const SPOILT: [string, (image: TestImage) => [string, Uint8Array], Code, RegExp][] = [
  [
    "a layer with another digest",
    ({ layers }) => [layers[0].digest, layers[0].bytes.map((byte, index) => index === 4 ? byte ^ 1 : byte)],
    Code.DATA_LOSS,
    /layer has the digest/,
  ],
  [
    "a layer that is no gzip inside",
    ({ layers }) => [layers[0].digest, layers[0].bytes.map((byte, index) => index > 200 ? byte ^ 1 : byte)],
    Code.FAILED_PRECONDITION,
    /cannot use layer sha256:/,
  ],
  [
    "a config with another digest",
    (
      { config },
    ) => [config.digest, new TextEncoder().encode(new TextDecoder().decode(config.bytes).replace("linux", "Linux"))],
    Code.DATA_LOSS,
    /config has the digest/,
  ],
];

for (const [what, spoil, code, reason] of SPOILT) {
  Deno.test(`ImageService.pull() refuses ${what}, and leaves nothing behind (root)`, root, () => {
    const image = buildImage([layer("x", 10_000)]);
    return withRegistry(image, async (store, registry, name) => {
      const [digest, bytes] = spoil(image);
      registry.misbehave = (_, path) => path.endsWith(digest) ? new Response(bytes as BodyInit) : undefined;
      const error = await failure(store.service.pull(name, undefined, {}));
      assertEquals(error.code, code, error.text);
      assert(reason.test(error.text), error.text);
      assertEmpty(store);
    });
  });
}

Deno.test("ImageService.pull() refuses a tar whose digest is not the config's diff ID (root)", root, () => {
  const image = buildImage([layer("x")]);
  const other = buildImage([layer("y")]);
  const manifest = json({
    ...JSON.parse(new TextDecoder().decode(other.manifest.bytes)),
    config: JSON.parse(new TextDecoder().decode(image.manifest.bytes)).config,
  });
  const mixed = {
    ...image,
    manifest,
    blobs: new Map([...image.blobs, ...other.blobs, [manifest.digest, manifest.bytes]]),
  };
  return withRegistry(mixed, async (store, _, name) => {
    const { code, text } = await failure(store.service.pull(name, undefined, {}));
    assertEquals(code, Code.DATA_LOSS);
    assert(text.includes("unpacked layer") && text.includes(image.diffIds[0]), text);
    assertEmpty(store);
  });
});

Deno.test("ImageService.pull() refuses a config with another number of layers than the manifest (root)", root, () => {
  const image = buildImage([layer("x")]);
  const value = JSON.parse(new TextDecoder().decode(image.manifest.bytes));
  const manifest = json({ ...value, layers: [...value.layers, ...value.layers] });
  const blobs = new Map([...image.blobs, [manifest.digest, manifest.bytes]]);
  return withRegistry({ ...image, manifest, blobs }, async (store, _, name) => {
    assert(
      (await failure(store.service.pull(name, undefined, {}))).text.includes("the manifest has 2 layers, the config 1"),
    );
  });
});

Deno.test("ImageService.pull() asks the host when a mirror sends wrong bytes (root)", root, async () => {
  const image = buildImage([layer("x", 10_000)]);
  await using mirror = startTestRegistry(image);
  await using host = startTestRegistry(image);
  mirror.misbehave = (_, path) =>
    path.endsWith(image.layers[0].digest)
      ? new Response(image.layers[0].bytes.map((byte) => byte ^ 1) as BodyInit)
      : undefined;
  await using store = await openStore({
    registries: { [host.host]: { mirrors: [{ url: `http://${mirror.host}` }], plainHttp: true } },
  });
  assertEquals((await store.service.pull(`${host.host}/app:1`, undefined, {})).id, image.config.digest);
  assert(store.logger.lines.some(({ level, message }) => level === "warn" && message.includes("mirror")));
});

Deno.test(
  "ImageService.pull() names the mirror's wrong bytes when the host cannot be reached either (root)",
  root,
  async () => {
    const image = buildImage([layer("x", 10_000)]);
    await using mirror = startTestRegistry(image);
    mirror.misbehave = (_, path) =>
      path.endsWith(image.layers[0].digest)
        ? new Response(image.layers[0].bytes.map((byte) => byte ^ 1) as BodyInit)
        : undefined;
    // Nobody listens on port 1.
    await using store = await openStore({
      registries: { "127.0.0.1:1": { mirrors: [{ url: `http://${mirror.host}` }], plainHttp: true } },
    });
    const error = await assertRejects(
      () => store.service.pull("127.0.0.1:1/app:1", undefined, {}),
      RpcError,
    ) as RpcError;
    // Bytes that are no tar are noticed before their digest is known.
    assertEquals(error.code, Code.FAILED_PRECONDITION);
    const message = messageOf(error);
    assert(message.includes("tar header") && message.includes("RegistryUnavailable"), message);
  },
);

Deno.test(
  "ImageService.pull() has two pairs of children share what is large; one that fails ends both (root)",
  root,
  () => {
    const image = buildImage([layer("a", 40 << 20), layer("b"), layer("c", 40 << 20)]);
    return withRegistry(image, async (store, registry, name) => {
      const pairs = () => kernel.readDirectory(`${store.config.root}/staging`).length;
      let most = 0;
      let last: PullProgress | undefined;
      const onProgress = (progress: PullProgress) => {
        most = Math.max(most, pairs());
        last = progress;
      };
      const { id, layers } = await store.service.pull(name, undefined, { onProgress });
      assertEquals([layers, most, pairs()], [image.diffIds, navigator.hardwareConcurrency > 1 ? 2 : 1, 0]);
      const packed = image.layers.reduce((sum, { bytes }) => sum + bytes.length, 0);
      assertEquals([last?.bytesDone, last?.layersDone], [packed, 3]);
      await store.service.remove(id, () => []);
      const digest = image.layers[2].digest;
      registry.misbehave = (_, path) => path.endsWith(digest) ? new Response(new Uint8Array(100)) : undefined;
      const { text } = await failure(store.service.pull(name, undefined, {}));
      assert(text.includes(digest), text);
      assertEquals([pairs(), store.table.imageRows.size], [0, 0]);
    });
  },
);

Deno.test(
  "ImageService.pull() of more layers than one pair of children can carry (root)",
  root,
  () =>
    withRegistry(buildImage(Array.from({ length: 35 }, (_, index) => layer(`f${index}`))), async (store, _, name) => {
      const progress: PullProgress[] = [];
      const record = await store.service.pull(name, undefined, { onProgress: (value) => progress.push(value) });
      assertEquals(record.layers.length, 35);
      assertEquals(store.service.usage().inodesUsed, 35);
      assertEquals(progress.at(-1)?.bytesDone, progress.at(-1)?.bytesTotal);
    }),
);

Deno.test(
  "ImageService.pull() moves a tag to the image it names now, and keeps the old one by its digest (root)",
  root,
  () => {
    const [old, now] = [buildImage([layer("old")]), buildImage([layer("now")])];
    return withRegistry({ ...old, blobs: new Map([...old.blobs, ...now.blobs]) }, async (store, registry, name) => {
      const before = await store.service.pull(name, undefined, {});
      registry.misbehave = (_, path) =>
        path.endsWith("/manifests/1") ? new Response(now.manifest.bytes as BodyInit) : undefined;
      const after = await store.service.pull(name, undefined, {});
      assert(before.id !== after.id);
      assertEquals(store.service.resolve(name)?.id, after.id);
      assertEquals(store.service.resolve(before.id)?.repoTags, []);
      assertEquals(store.service.resolve(before.repoDigests[0])?.id, before.id);
      assertEquals(store.table.imageRows.get(before.id)?.repoTags, []);
    });
  },
);

Deno.test(
  "ImageService.pull() sends credentials through a pipe: neither arguments nor environment of a child hold them (root)",
  root,
  () =>
    withRegistry(buildImage([layer("x")]), async (store, registry, name) => {
      const seen: string[] = [];
      registry.misbehave = () => {
        for (const entry of Deno.readDirSync("/proc")) {
          if (!/^\d+$/.test(entry.name)) continue;
          try {
            const read = (file: string) => Deno.readTextFileSync(`/proc/${entry.name}/${file}`);
            if (/__fetch|__parse/.test(read("cmdline"))) seen.push(read("cmdline") + read("environ"));
          } catch {
            // It ended meanwhile.
          }
        }
        return undefined;
      };
      await store.service.pull(name, { username: "someone", password: "hunter2" }, {});
      assert(seen.length > 0);
      assertEquals(seen.filter((text) => text.includes("hunter2") || text.includes(btoa("someone:hunter2"))), []);
    }),
);

Deno.test("ImageService.pull() of a zstd image and of one that is not compressed (root)", root, async () => {
  const zlib = await import("node:zlib") as unknown as { zstdCompressSync(bytes: Uint8Array): Uint8Array };
  for (
    const [compress, suffix] of [[(bytes: Uint8Array) => new Uint8Array(zlib.zstdCompressSync(bytes)), "+zstd"], [
      (bytes: Uint8Array) => bytes,
      "",
    ]] as const
  ) {
    const image = buildImage([layer("x", 100_000)], {
      compress,
      mediaType: `application/vnd.oci.image.layer.v1.tar${suffix}`,
    });
    await withRegistry(image, async (store, _, name) => {
      assertEquals((await store.service.pull(name, undefined, {})).layers, image.diffIds);
    });
  }
});

Deno.test("ImageService.pull() says so when the disk is full, and leaves nothing behind (root)", root, async () => {
  const folder = await Deno.makeTempDir();
  kernel.mount("tmpfs", folder, "tmpfs", 0, "size=6m");
  try {
    // Packed it fits, unpacked it does not; and packed it does not fit either.
    for (const [index, content] of [new Uint8Array(20 << 20), random(8 << 20)].entries()) {
      const image = buildImage([tar([file("x", content)])]);
      await using registry = startTestRegistry(image);
      await using store = await openStore(
        { registries: { [registry.host]: { mirrors: [], plainHttp: true } } },
        `${folder}/${index}`,
      );
      const { code, text } = await failure(store.service.pull(`${registry.host}/app:1`, undefined, {}));
      assertEquals(code, Code.RESOURCE_EXHAUSTED, text);
      assert(text.includes("remove images"), text);
      assertEmpty(store);
    }
  } finally {
    await kernel.umount(folder, 2);
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("ImageService.pull() of more images at once than there may be children (root)", root, async () => {
  const shared = layer("shared", 100_000);
  const images = Array.from({ length: 20 }, (_, index) => buildImage([shared, layer(`own${index}`)]));
  await withRegistry(
    { ...images[0], blobs: new Map(images.flatMap(({ blobs }) => [...blobs])) },
    async (store, registry) => {
      const names = images.map(({ manifest }) => `${registry.host}/app@${manifest.digest}`);
      const cancelled = new AbortController();
      const pulls = names.map((name, index) =>
        store.service.pull(name, undefined, { signal: index === 19 ? cancelled.signal : undefined })
      );
      cancelled.abort();
      const results = await Promise.allSettled(pulls);
      assertEquals(results.map(({ status }) => status), [...Array(19).fill("fulfilled"), "rejected"]);
      assertEquals([store.service.list().length, store.service.usage().inodesUsed], [19, 20]);
      assertEquals(registry.requests.filter(({ path }) => path.endsWith(images[0].layers[0].digest)).length, 1);
    },
  );
});
