import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import "../../real_kernel.ts";
import {
  ImageStatusRequest,
  ListImagesRequest,
  ListImagesResponse,
  PullImageRequest,
  RemoveImageRequest,
  StreamImagesRequest,
  StreamImagesResponse,
} from "../../../../proto/gen/runtime/v1/api.ts";
import { imageService } from "../../../../src/cri/image/mod.ts";
import { registryAuth } from "../../../../src/cri/image/pull_image.ts";
import { Code, RpcError } from "../../../../src/rpc/status.ts";
import type { CallContext, Encoded } from "../../../../src/rpc/types.ts";
import { startTestRegistry } from "../../images/registry_support.ts";
import { buildImage, openStore, type TestStore, writeLayout } from "../../images/support.ts";
import { concat, file, tar } from "../../images/tar_builder.ts";

const root = { ignore: Deno.uid() !== 0 };
const context: CallContext = { signal: new AbortController().signal, method: "" };

function handlersOf(store: TestStore, users: string[] = []) {
  const track = <T>(_kind: string, _subject: string, body: (enter: (step: string) => void) => Promise<T>) =>
    body(() => {});
  return imageService({ images: store.service, config: store.config, inUse: () => users, track }) as Required<
    ReturnType<typeof imageService>
  >;
}

async function withImages(
  test: (store: TestStore, handlers: ReturnType<typeof handlersOf>) => Promise<void>,
): Promise<void> {
  await using store = await openStore({ pinned: ["example.com/pinned:1"] });
  const images = [["example.com/pinned:1", "1000:5"], ["example.com/named:1", "www-data:users"], [
    "example.com/root:1",
    "",
  ]];
  await writeLayout(
    `${store.folder}/layout`,
    images.map(([name, User]) => ({
      name,
      image: buildImage([tar([file(name)])], { config: { User, Labels: { a: "b" } } }),
    })),
  );
  await store.service.importLayout(`${store.folder}/layout`, undefined, {});
  await test(store, handlersOf(store));
}

const spec = (image: string) => ({ image: { image } });
const decoded = (reply: unknown) => ListImagesResponse.decode(concat((reply as Encoded).parts)).images;

function invalid(run: () => unknown): string {
  const error = assertThrows(run) as RpcError;
  assert(error instanceof RpcError);
  assertEquals(error.code, Code.INVALID_ARGUMENT);
  return error.message;
}

Deno.test(
  "listImages() shows what the kubelet reads, and one image for a filter (root)",
  root,
  () =>
    withImages(async (_, { listImages }) => {
      const all = decoded(await listImages(ListImagesRequest.fromPartial({}), context));
      const byTag = new Map(all.map((image) => [image.repoTags[0], image]));
      assertEquals(all.length, 3);
      for (const image of all) {
        assert(
          /^sha256:[0-9a-f]{64}$/.test(image.id) && image.size > 0n && image.repoDigests.length === 1 && image.spec,
        );
      }
      const users = ["pinned", "named", "root"].map((name) => byTag.get(`example.com/${name}:1`)!).map((
        { uid, username, pinned },
      ) => [uid?.value, username, pinned]);
      assertEquals(users, [[1000n, "", true], [undefined, "www-data", false], [undefined, "", false]]);

      const filtered = async (image: string) =>
        decoded(await listImages(ListImagesRequest.fromPartial({ filter: spec(image) }), context));
      assertEquals((await filtered("example.com/named:1")).length, 1);
      assertEquals((await filtered(all[0].id))[0], all[0]);
      assertEquals(await filtered("example.com/none"), []);
      assertEquals((await filtered("")).length, 3);
    }),
);

Deno.test("streamImages() gives each image once (root)", root, () =>
  withImages(async (_, { streamImages }) => {
    const ids: string[] = [];
    for await (const reply of streamImages(StreamImagesRequest.fromPartial({}), context)) {
      ids.push(...StreamImagesResponse.decode(concat((reply as Encoded).parts)).images.map(({ id }) => id));
    }
    assertEquals([ids.length, new Set(ids).size], [3, 3]);
  }));

Deno.test(
  "imageStatus() of an image, in detail, and of one that is not here (root)",
  root,
  () =>
    withImages(async (store, { imageStatus }) => {
      const status = async (image: string, verbose = false) =>
        await imageStatus(ImageStatusRequest.fromPartial({ ...spec(image), verbose }), context) as {
          image?: { id: string };
          info: Record<string, string>;
        };
      const plain = await status("example.com/named:1");
      assertEquals([plain.image?.id, plain.info], [store.service.resolve("example.com/named:1")?.id, {}]);
      const info = JSON.parse((await status("example.com/named:1", true)).info.info);
      assertEquals([info.labels, info.imageSpec.config.User, info.layers.length], [{ a: "b" }, "www-data:users", 1]);
      assertEquals(await status("example.com/none", true), { image: undefined, info: {} });
      assert(invalid(() => imageStatus(ImageStatusRequest.fromPartial({}), context)).includes("image.image"));
      assert(invalid(() => imageStatus(ImageStatusRequest.fromPartial(spec("a\nb")), context)).includes("control"));
    }),
);

Deno.test(
  "pullImage() answers with the ID that Image has, and shows its progress in imageStatus() (root)",
  root,
  async () => {
    await using registry = startTestRegistry(buildImage([tar([file("x")])]));
    await using store = await openStore({ registries: { [registry.host]: { mirrors: [], plainHttp: true } } });
    const handlers = handlersOf(store);
    const held = Promise.withResolvers<void>();
    registry.misbehave = async (_, path) => {
      if (path.includes("/blobs/")) await held.promise;
      return undefined;
    };
    const name = `${registry.host}/app:1`;
    const auth = { username: "u", password: "p" };
    const pulling = Promise.resolve(handlers.pullImage(PullImageRequest.fromPartial({ ...spec(name), auth }), context));
    while (!registry.requests.some(({ path }) => path.includes("/blobs/"))) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const running = await handlers.imageStatus(
      ImageStatusRequest.fromPartial({ ...spec(name), verbose: true }),
      context,
    ) as { image?: unknown; info: Record<string, string> };
    assertEquals([running.image, JSON.parse(running.info.pull).phase], [undefined, "resolving"]);
    held.resolve();
    const { imageRef } = await pulling as { imageRef: string };
    assertEquals(imageRef, store.service.resolve(name)?.id);
  },
);

Deno.test("pullImage() refuses no name, a bad one, and credentials that break a header (root)", root, async () => {
  await using store = await openStore();
  const { pullImage } = handlersOf(store);
  for (
    const [image, part] of [["", "must name an image"], ["UPPER/Case/X", "upper-case"], ["a@sha256:../..", "digest"], [
      "a:b:c",
      "tag",
    ]]
  ) {
    const error = await assertRejects(async () =>
      await pullImage(PullImageRequest.fromPartial(spec(image)), context)
    ) as RpcError;
    assertEquals(error.code, Code.INVALID_ARGUMENT);
    assert(error.message.includes(part), error.message);
  }
  const request = PullImageRequest.fromPartial({ ...spec("a"), auth: { registryToken: "x\r\nHost: evil" } });
  const error = await assertRejects(async () => await pullImage(request, context)) as RpcError;
  assert(
    error.code === Code.INVALID_ARGUMENT && error.message.includes("auth.registryToken") &&
      !error.message.includes("evil"),
  );
});

Deno.test(
  "pullImage() from a closed port begins with the word that the kubelet knows, under the code that it takes away (root)",
  root,
  async () => {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const host = `127.0.0.1:${listener.addr.port}`;
    listener.close();
    await using store = await openStore({ registries: { [host]: { mirrors: [], plainHttp: true } } });
    const { pullImage } = handlersOf(store);
    const error = await assertRejects(async () =>
      await pullImage(PullImageRequest.fromPartial(spec(`${host}/app:1`)), context)
    ) as RpcError;
    assertEquals([error.code, error.message.split(":")[0]], [Code.UNKNOWN, "RegistryUnavailable"]);
  },
);

Deno.test("registryAuth() keeps what is set, and nothing is anonymous", () => {
  const empty = { username: "", password: "", auth: "", serverAddress: "", identityToken: "", registryToken: "" };
  assertEquals(registryAuth(undefined), undefined);
  assertEquals(registryAuth(empty), undefined);
  assertEquals(registryAuth({ ...empty, username: "u", identityToken: "t" }), { username: "u", identityToken: "t" });
});

Deno.test(
  "removeImage() takes all names, again and again, but not from under a container (root)",
  root,
  () =>
    withImages(async (store, { removeImage, listImages }) => {
      const { id } = store.service.resolve("example.com/named:1")!;
      const refused = handlersOf(store, ["container"]).removeImage;
      const error = await assertRejects(async () =>
        await refused(RemoveImageRequest.fromPartial(spec(id)), context)
      ) as RpcError;
      assertEquals(error.code, Code.FAILED_PRECONDITION);
      await Promise.all([
        removeImage(RemoveImageRequest.fromPartial(spec("example.com/named:1")), context),
        removeImage(RemoveImageRequest.fromPartial(spec(id)), context),
      ]);
      await removeImage(RemoveImageRequest.fromPartial(spec(id)), context);
      assertEquals(decoded(await listImages(ListImagesRequest.fromPartial({}), context)).length, 2);
      await assertRejects(
        async () => await removeImage(RemoveImageRequest.fromPartial({}), context),
        RpcError,
        "must name an image",
      );
    }),
);

Deno.test(
  "imageFsInfo() has both lists, which follow what is pulled and removed (root)",
  root,
  () =>
    withImages(async (store, { imageFsInfo }) => {
      const usage = async () => {
        const reply = await imageFsInfo({}, context) as { imageFilesystems: any[]; containerFilesystems: any[] };
        assertEquals([reply.imageFilesystems.length, reply.containerFilesystems.length], [1, 1]);
        assert(reply.imageFilesystems[0].timestamp > 0n && reply.containerFilesystems[0].fsId.mountpoint !== "");
        return reply.imageFilesystems[0].usedBytes.value as bigint;
      };
      const before = await usage();
      assert(before > 0n);
      await store.service.remove("example.com/named:1", () => []);
      assert(await usage() < before);
    }),
);
