import { assert, assertEquals, assertRejects } from "@std/assert";
import "../../real_kernel.ts";
import { ImageStatusRequest, PullImageRequest } from "../../../../proto/gen/runtime/v1/api.ts";
import { imageService } from "../../../../src/cri/image/mod.ts";
import { RpcError } from "../../../../src/rpc/status.ts";
import { startTestRegistry } from "../../images/registry_support.ts";
import { buildImage, openStore } from "../../images/support.ts";
import { file, tar } from "../../images/tar_builder.ts";

function random(size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += 65_536) crypto.getRandomValues(bytes.subarray(at, at + 65_536));
  return bytes;
}

Deno.test("imageStatus() tells how far a pull is while it runs, and a cancel leaves nothing (root)", {
  ignore: Deno.uid() !== 0,
}, async () => {
  const image = buildImage([tar([file("big", random(1 << 20))])]);
  await using registry = startTestRegistry(image);
  const [{ bytes, digest }] = image.layers;
  // Progress is told in pieces of 256 kB.
  const half = 1 << 19;
  registry.misbehave = (_, path) =>
    path.endsWith(digest)
      ? new Response(new ReadableStream({ start: (controller) => controller.enqueue(bytes.slice(0, half)) }))
      : undefined;
  await using store = await openStore({
    registries: { [registry.host]: { mirrors: [], plainHttp: true } },
    stallTimeoutSeconds: 60,
  });
  const { pullImage, imageStatus } = imageService({
    images: store.service,
    config: store.config,
    inUse: () => [],
    track: (_kind, _subject, body) => body(() => {}),
  });
  const name = `${registry.host}/app:1`;
  const stop = new AbortController();
  const pull = Promise.resolve(
    pullImage!(PullImageRequest.fromPartial({ image: { image: name } }), { signal: stop.signal, method: "" }),
  );
  pull.catch(() => {});
  const status = async () => {
    const request = ImageStatusRequest.fromPartial({ image: { image: name }, verbose: true });
    return await imageStatus!(request, { signal: stop.signal, method: "" }) as { info: Record<string, string> };
  };
  let progress: Record<string, number> = {};
  for (let attempt = 0; attempt < 500 && progress.bytesDone !== half; attempt++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    progress = JSON.parse((await status()).info.pull ?? "{}");
  }
  const { phase, bytesDone, bytesTotal, layersDone, layersTotal, startedAt, bytesPerSecond } = progress;
  assertEquals(
    [phase, bytesDone, bytesTotal, layersDone, layersTotal],
    ["pulling", half, bytes.length, 0, 1] as unknown[],
  );
  assert(startedAt <= Date.now() && bytesPerSecond > 0);
  assertEquals(store.service.pulls().map(({ image }) => image), [name]);
  stop.abort(new Error("enough"));
  await assertRejects(() => pull, RpcError, "cancelled");
  assertEquals(store.service.pulls(), []);
  const staged = () => [...Deno.readDirSync(`${store.config.root}/staging`)];
  for (let attempt = 0; attempt < 250 && staged().length > 0; attempt++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assertEquals(staged(), []);
});
