import { OCI_MANIFEST } from "../../../src/images/media_types.ts";
import type { TestImage } from "./support.ts";

const REGISTRY_PROGRAM = "/usr/bin/docker-registry";

export const hasDockerRegistry = await Deno.stat(REGISTRY_PROGRAM).then(() => true, () => false);

/** Debian's docker-registry on a free port of 127.0.0.1. */
export async function startDockerRegistry(folder: string): Promise<{ host: string } & AsyncDisposable> {
  const port = freePort();
  const file = `${folder}/registry.yml`;
  await Deno.mkdir(`${folder}/registry`, { recursive: true });
  await Deno.writeTextFile(
    file,
    `version: 0.1\nlog: { level: error }\nstorage: { filesystem: { rootdirectory: ${folder}/registry } }\nhttp: { addr: "127.0.0.1:${port}" }\n`,
  );
  const child = new Deno.Command(REGISTRY_PROGRAM, { args: ["serve", file], stdout: "null", stderr: "null" }).spawn();
  const host = `127.0.0.1:${port}`;
  for (let attempt = 0;; attempt++) {
    try {
      await (await fetch(`http://${host}/v2/`)).body?.cancel();
      break;
    } catch (error) {
      if (attempt > 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  return {
    host,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGTERM");
      await child.status;
    },
  };
}

/** Uploads an image as a registry client does. */
export async function push(host: string, repository: string, tag: string, image: TestImage): Promise<void> {
  for (const [digest, bytes] of image.blobs) {
    if (digest === image.manifest.digest) continue;
    const start = await fetch(`http://${host}/v2/${repository}/blobs/uploads/`, { method: "POST" });
    await start.body?.cancel();
    const place = new URL(start.headers.get("location")!, `http://${host}`);
    place.searchParams.set("digest", digest);
    await expectOk(await fetch(place, { method: "PUT", body: bytes as BodyInit }));
  }
  await expectOk(
    await fetch(`http://${host}/v2/${repository}/manifests/${tag}`, {
      method: "PUT",
      body: image.manifest.bytes as BodyInit,
      headers: { "content-type": OCI_MANIFEST },
    }),
  );
}

async function expectOk(response: Response): Promise<void> {
  const text = await response.text();
  if (!response.ok) throw new Error(`${response.url}: ${response.status} ${text}`);
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

export type Misbehave = (request: Request, path: string) => Response | undefined | Promise<Response | undefined>;

export interface TestRegistry extends AsyncDisposable {
  host: string;
  /** Method, path, and the Authorization header of every request. */
  requests: { path: string; authorization: string | null; range: string | null; query: string }[];
  /** Asked before the registry answers as it should. */
  misbehave: Misbehave;
}

/** A registry of one repository, `app`, whose answers a test may replace. */
export function startTestRegistry(image: TestImage, tag = "1"): TestRegistry {
  const registry: TestRegistry = {
    host: "",
    requests: [],
    misbehave: () => undefined,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const url = new URL(request.url);
    const range = request.headers.get("range");
    registry.requests.push({
      path: url.pathname,
      authorization: request.headers.get("authorization"),
      range,
      query: url.search,
    });
    return await registry.misbehave(request, url.pathname) ?? answer(url.pathname, range);
  });
  const answer = (path: string, range: string | null): Response => {
    const reference = /\/(manifests|blobs)\/([^/]+)$/.exec(path);
    if (path === "/v2/") return new Response("{}");
    const digest = reference?.[2] === tag ? image.manifest.digest : reference?.[2] ?? "";
    const bytes = image.blobs.get(digest);
    if (!reference || !bytes) {
      return Response.json({ errors: [{ code: "MANIFEST_UNKNOWN", message: "unknown" }] }, { status: 404 });
    }
    const start = Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? 0);
    const headers: Record<string, string> = reference[1] === "manifests" ? { "content-type": OCI_MANIFEST } : {};
    if (start > 0) headers["content-range"] = `bytes ${start}-${bytes.length - 1}/${bytes.length}`;
    return new Response(bytes.slice(start) as BodyInit, { status: start > 0 ? 206 : 200, headers });
  };
  registry.host = `127.0.0.1:${server.addr.port}`;
  return registry;
}

/** A body that sends `count` bytes and then breaks the connection. */
export function cutBody(bytes: Uint8Array, count: number): ReadableStream<Uint8Array> {
  let sent = false;
  return new ReadableStream({
    async pull(controller) {
      if (sent) {
        // The server sends what it has only when it has a moment.
        await new Promise((resolve) => setTimeout(resolve, 30));
        return controller.error(new Error("cut"));
      }
      sent = true;
      controller.enqueue(bytes.slice(0, count));
    },
  });
}
