import { assert, assertEquals, assertRejects } from "@std/assert";
import { kernel } from "../real_kernel.ts";
import { messageOf } from "../../../src/rpc/status.ts";
import { startTestRegistry } from "./registry_support.ts";
import { buildImage, openStore, type TestStore, writeLayout } from "./support.ts";
import { file, tar } from "./tar_builder.ts";

const root = { ignore: Deno.uid() !== 0 };
const [A, B] = ["a", "b"].map((name) => buildImage([tar([file(name)])]));
const AMD64 = { os: "linux", architecture: "amd64" };

async function importing(
  images: Parameters<typeof writeLayout>[1],
  name: string | undefined,
  test: (store: TestStore, path: string) => Promise<void> = async () => {},
): Promise<[string[], string][]> {
  await using store = await openStore();
  const path = `${store.folder}/layout`;
  await writeLayout(path, images);
  await test(store, path);
  const records = await store.service.importLayout(path, name, {});
  assertEquals(kernel.readDirectory(`${store.config.root}/staging`), []);
  return records.map(({ repoTags, id }) => [repoTags, id]);
}

async function refusal(...args: Parameters<typeof importing>): Promise<string> {
  return messageOf(await assertRejects(() => importing(...args)));
}

Deno.test("ImageService.importLayout() names images by their annotations (root)", root, async () => {
  const images = [{ image: A, name: "example.com/a:1" }, { image: B, name: "docker.io/library/b:2" }];
  assertEquals(await importing(images, undefined), [[["example.com/a:1"], A.config.digest], [
    ["docker.io/library/b:2"],
    B.config.digest,
  ]]);
});

Deno.test("ImageService.importLayout() gives the only image the name that is asked for (root)", root, async () => {
  assertEquals(await importing([{ image: A }], "app"), [[["docker.io/library/app:latest"], A.config.digest]]);
  assertEquals(await importing([{ image: A, name: "v1" }], "app:x"), [[["docker.io/library/app:x"], A.config.digest]]);
  const platforms = [{ image: B, platform: { os: "linux", architecture: "arm64" } }, { image: A, platform: AMD64 }];
  assertEquals(await importing(platforms, "app"), [[["docker.io/library/app:latest"], A.config.digest]]);
});

Deno.test("ImageService.importLayout() takes by tag from a layout of several (root)", root, async () => {
  assertEquals(await importing([{ image: A, name: "1" }, { image: B, name: "2" }], "app:2"), [[[
    "docker.io/library/app:2",
  ], B.config.digest]]);
  assert(
    (await refusal([{ image: A, name: "1" }, { image: B, name: "2" }], "app:3")).includes("several images (1, 2)"),
  );
});

Deno.test(
  "ImageService.importLayout() wants a name where the layout has none, or only a tag (root)",
  root,
  async () => {
    assert((await refusal([{ image: A }], undefined)).includes("an image without a name"));
    assert((await refusal([{ image: A, name: "latest" }], undefined)).includes('only by its tag "latest"'));
  },
);

Deno.test("ImageService.importLayout() refuses a layout for another platform (root)", root, async () => {
  const images = [{ image: A, platform: { os: "linux", architecture: "s390x" } }, {
    image: B,
    platform: { os: "windows", architecture: "amd64" },
  }];
  assert((await refusal(images, "app")).includes("for linux/amd64"));
});

Deno.test("ImageService.importLayout() says what is wrong with the folder (root)", root, async () => {
  const blob = (path: string) => `${path}/blobs/sha256/${A.layers[0].digest.slice(7)}`;
  const image = [{ image: A }];
  const missing = await refusal(image, "app", (_, path) => Deno.remove(blob(path)));
  assert(missing.includes("not a whole OCI image layout") && missing.includes(A.layers[0].digest.slice(7)), missing);
  assert((await refusal(image, "app", (_, path) => Deno.remove(`${path}/index.json`))).includes("index.json"));
  assert((await refusal(image, "app", (_, path) => Deno.writeTextFile(blob(path), "short"))).includes("has 5 bytes"));
  const wrong = A.layers[0].bytes.map((byte, index) => index === 4 ? byte ^ 1 : byte);
  assert(
    (await refusal(image, "app", (_, path) => Deno.writeFile(blob(path), wrong))).includes("layer has the digest"),
  );
  assert(
    (await refusal(image, "app", (_, path) => Deno.remove(path, { recursive: true }))).includes(
      "no OCI image layout can be read: open",
    ),
  );
  await using store = await openStore();
  await assertRejects(() => store.service.importLayout("relative", "app", {}), Error, "not an absolute path");
});

Deno.test(
  "ImageService.importLayout() follows no symlink out of the layout, and opens no fifo (root)",
  root,
  async () => {
    const outside = await Deno.makeTempFile();
    await Deno.writeFile(outside, A.layers[0].bytes);
    const blob = (path: string) => `${path}/blobs/sha256/${A.layers[0].digest.slice(7)}`;
    const replaced = async (path: string, make: () => void) => {
      await Deno.remove(blob(path));
      make();
    };
    const linked = await refusal(
      [{ image: A }],
      "app",
      (_, path) => replaced(path, () => kernel.symlink(outside, blob(path))),
    );
    assert(linked.includes("not a whole OCI image layout"), linked);
    const fifo = await refusal(
      [{ image: A }],
      "app",
      (_, path) => replaced(path, () => kernel.mkfifo(blob(path), 0o600)),
    );
    assert(fifo.includes("not a regular file"), fifo);
    await Deno.remove(outside);
  },
);

Deno.test("ImageService.resolve() finds by tag, digest, both, ID and the start of an ID (root)", root, async () => {
  await using store = await openStore();
  const path = `${store.folder}/layout`;
  await writeLayout(path, [{ image: A, name: "docker.io/library/a:1" }, { image: B, name: "docker.io/library/b:1" }]);
  const [a] = await store.service.importLayout(path, undefined, {});
  const digest = A.manifest.digest;
  const hex = a.id.slice(7);
  for (
    const name of [
      "a:1",
      "docker.io/a:1",
      "index.docker.io/library/a:1",
      `a@${digest}`,
      `a:other@${digest}`,
      a.id,
      hex,
      hex.slice(0, 12),
      a.id.slice(0, 20),
    ]
  ) {
    assertEquals(store.service.resolve(name)?.id, a.id, name);
  }
  for (const name of ["a", "a:2", "c:1", `b@${digest}`, "sha256:", "zz", "", "A B", "../a"]) {
    assertEquals(store.service.resolve(name), undefined, name);
  }
});

Deno.test(
  "ImageService.start() cleans up after a daemon that was killed in the middle of a pull, whose children go, too (root)",
  root,
  async () => {
    const image = buildImage([tar([file("big", crypto.getRandomValues(new Uint8Array(60_000)))])]);
    await using registry = startTestRegistry(image);
    const stuck = Promise.withResolvers<void>();
    registry.misbehave = (_, path) => {
      if (!path.endsWith(image.layers[0].digest)) return undefined;
      stuck.resolve();
      return new Response(
        new ReadableStream({ start: (controller) => controller.enqueue(image.layers[0].bytes.slice(0, 30_000)) }),
      );
    };
    const folder = await Deno.makeTempDir();
    const script = new URL("./pull_in_child.ts", import.meta.url).pathname;
    const daemon = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--quiet", script, folder, registry.host],
      stdout: "null",
    }).spawn();
    await stuck.promise;
    const children = childrenOf(daemon.pid);
    assertEquals(children.length, 2);
    daemon.kill("SIGKILL");
    await daemon.status;
    for (let attempt = 0; attempt < 300 && children.some(isRunning); attempt++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assertEquals(children.filter(isRunning), []);
    assertEquals(kernel.readDirectory(`${folder}/root/staging`).length, 1);

    await using store = await openStore({ registries: { [registry.host]: { mirrors: [], plainHttp: true } } }, folder);
    assertEquals(kernel.readDirectory(`${folder}/root/staging`), []);
    registry.misbehave = () => undefined;
    await store.service.pull(`${registry.host}/app:1`, undefined, {});
  },
);

function childrenOf(parent: number): number[] {
  const pids = [...Deno.readDirSync("/proc")].map(({ name }) => Number(name)).filter((pid) => pid > 0);
  return pids.filter((pid) => {
    try {
      return Deno.readTextFileSync(`/proc/${pid}/status`).includes(`\nPPid:\t${parent}\n`);
    } catch {
      return false;
    }
  });
}

function isRunning(pid: number): boolean {
  try {
    return !/^State:\tZ/m.test(Deno.readTextFileSync(`/proc/${pid}/status`));
  } catch {
    return false;
  }
}
