import { assert, assertEquals } from "@std/assert";
import { answer, type Question } from "../../../src/images/serving/answers.ts";
import { Content } from "../../../src/images/serving/child_content.ts";
import { HttpServer, type HttpServerOptions } from "../../../src/images/serving/http_server.ts";
import { Repositories } from "../../../src/images/serving/repositories.ts";
import type { ServedLayer } from "../../../src/images/serving/types.ts";
import { OCI_MANIFEST } from "../../../src/images/media_types.ts";
import { json, sha256 } from "./support.ts";

const config = json({ os: "linux" });
const bytes = new Uint8Array(600_000).map((_, index) => index % 251);
const manifest = json({ schemaVersion: 2, mediaType: OCI_MANIFEST, of: "app" });
const layer: ServedLayer = { digest: sha256(bytes), file: "/nowhere", offset: 4096, size: bytes.length };
const HUB = "docker.io/library/app";

function repositories(file = layer.file): Repositories {
  const served = new Repositories();
  served.put({
    id: config.digest,
    repositories: [HUB, "h.io:5000/team/app"],
    tags: ["3", "1", "2"].map((tag) => ({ repository: HUB, tag, digest: manifest.digest })),
    manifests: [{ mediaType: OCI_MANIFEST, content: manifest.bytes.toBase64() }],
    documents: [config.bytes.toBase64()],
    layers: [{ ...layer, file }],
  });
  return served;
}

const ask = (target: string, headers: Record<string, string> = {}, method = "GET") =>
  answer({ method, target, headers: new Map(Object.entries(headers)) }, repositories());
const code = (found: ReturnType<typeof ask>) =>
  JSON.parse(new TextDecoder().decode(found.body!.blob as Uint8Array)).errors[0].code;

Deno.test("answer() finds a manifest by tag and digest, under every way to write its repository", () => {
  const names = ["app", "library/app", "docker.io/library/app"].map((name) => `/v2/${name}`);
  for (const path of names) {
    for (const reference of ["1", manifest.digest]) {
      const { status, headers, body } = ask(`${path}/manifests/${reference}`);
      assertEquals([status, headers["content-type"]], [200, OCI_MANIFEST], path);
      assertEquals(headers["docker-content-digest"], manifest.digest);
      assertEquals(headers["content-length"], String(manifest.bytes.length));
      assertEquals(body?.blob, manifest.bytes);
    }
  }
  for (
    const path of [
      "/v2/library/app/manifests/1?ns=docker.io",
      "/v2/app/manifests/1?ns=docker.io",
      `/v2/team/app/manifests/${manifest.digest}?ns=h.io%3A5000`,
    ]
  ) {
    assertEquals(ask(path).status, 200, path);
  }
});

Deno.test("answer() takes no image of one registry for that of another, and no blob from another repository", () => {
  for (
    const [path, expected] of [
      // The path is the same, the registry is not.
      ["/v2/team/app/manifests/1", "NAME_UNKNOWN"],
      ["/v2/library/app/manifests/1?ns=quay.io", "NAME_UNKNOWN"],
      ["/v2/app/manifests/4", "MANIFEST_UNKNOWN"],
      [`/v2/app/manifests/${config.digest}`, "MANIFEST_UNKNOWN"],
      [`/v2/app/blobs/${manifest.digest}`, "BLOB_UNKNOWN"],
      [`/v2/other/blobs/${layer.digest}`, "NAME_UNKNOWN"],
    ]
  ) {
    const found = ask(path);
    assertEquals([found.status, code(found)], [404, expected], path);
  }
});

Deno.test("answer() refuses what is no name, tag or digest, and everything but reading", () => {
  for (
    const [path, status, expected] of [
      ["/v2/../../etc/passwd/blobs/x", 404, "NAME_INVALID"],
      ["/v2/app/../app/manifests/1", 404, "NAME_INVALID"],
      ["/v2/APP/manifests/1", 404, "NAME_INVALID"],
      ["/v2/a%2fpp/manifests/1", 404, "NAME_INVALID"],
      [`/v2/${"a/".repeat(200)}b/manifests/1`, 404, "NAME_INVALID"],
      ["/v2/app/manifests/1?ns=../x", 404, "NAME_INVALID"],
      ["/v2//manifests/1", 404, "NAME_INVALID"],
      [`/v2/app/manifests/${"x".repeat(129)}`, 404, "MANIFEST_UNKNOWN"],
      ["/v2/app/manifests/..", 404, "MANIFEST_UNKNOWN"],
      ["/v2/app/blobs/sha256:xyz", 400, "DIGEST_INVALID"],
      ["/v2/app/blobs/uploads", 400, "DIGEST_INVALID"],
      ["/v2/app/referrers/x", 400, "DIGEST_INVALID"],
      ["/v2/app/tags/other", 404, "NOT_FOUND"],
      ["/v2/app/tags/list?n=x", 400, "PAGINATION_NUMBER_INVALID"],
      ["/v2/_catalog", 404, "NAME_INVALID"],
      ["/etc/passwd", 404, "NOT_FOUND"],
    ] as const
  ) {
    const found = ask(path);
    assertEquals([found.status, code(found)], [status, expected], path);
  }
  for (const method of ["PUT", "POST", "PATCH", "DELETE", "OPTIONS"]) {
    const found = ask(`/v2/app/manifests/1`, {}, method);
    assertEquals([found.status, code(found), found.headers.allow], [405, "UNSUPPORTED", "GET, HEAD"]);
  }
  assertEquals(ask("/v2/").status, 200);
  assertEquals(ask(`/v2/app/referrers/${manifest.digest}`).status, 200);
});

Deno.test("answer() lists tags page by page", () => {
  const list = (path: string) => {
    const { headers, body } = ask(path);
    return [JSON.parse(new TextDecoder().decode(body!.blob as Uint8Array)), headers.link];
  };
  assertEquals(list("/v2/app/tags/list"), [{ name: HUB, tags: ["1", "2", "3"] }, undefined]);
  const [first, link] = list("/v2/app/tags/list?n=2");
  assertEquals([first.tags, link], [["1", "2"], '</v2/app/tags/list?n=2&last=2>; rel="next"']);
  assertEquals(list("/v2/app/tags/list?n=2&last=2"), [{ name: HUB, tags: ["3"] }, undefined]);
  assertEquals(list("/v2/app/tags/list?n=0")[0].tags, []);
});

Deno.test("answer() gives parts of blobs as RFC 9110 has it", () => {
  const size = bytes.length;
  for (
    const [range, status, start, end] of [
      ["bytes=0-0", 206, 0, 1],
      ["bytes=10-", 206, 10, size],
      [`bytes=10-${size * 2}`, 206, 10, size],
      ["bytes=-5", 206, size - 5, size],
      [`bytes=-${size * 2}`, 206, 0, size],
      ["bytes=1-2,4-5", 200, 0, size],
      ["bytes=5-2", 200, 0, size],
      ["bytes=-", 200, 0, size],
      ["lines=1-2", 200, 0, size],
    ] as const
  ) {
    const found = ask(`/v2/app/blobs/${layer.digest}`, { range });
    assertEquals([found.status, found.body?.start, found.body?.end], [status, start, end], range);
    assertEquals(found.headers["content-length"], String(end - start));
    if (status === 206) assertEquals(found.headers["content-range"], `bytes ${start}-${end - 1}/${size}`);
  }
  for (const range of [`bytes=${size}-`, "bytes=-0"]) {
    const found = ask(`/v2/app/blobs/${layer.digest}`, { range });
    assertEquals([found.status, found.headers["content-range"]], [416, `bytes */${size}`], range);
  }
});

Deno.test("Repositories forgets what was removed, and replaces what came again", () => {
  const served = repositories();
  served.put({
    ...{ id: config.digest, repositories: ["q.io/x"], tags: [], layers: [] },
    manifests: [],
    documents: [],
  });
  assertEquals([served.has(HUB), served.has("q.io/x")], [false, true]);
  served.remove(config.digest);
  assertEquals(served.has("q.io/x"), false);
});

interface Rig extends AsyncDisposable {
  url: string;
  port: number;
  damaged: ServedLayer[];
}

/** A layer as the store has it, served. */
async function serve(content: Uint8Array, changes: Partial<HttpServerOptions> = {}): Promise<Rig> {
  const file = await Deno.makeTempFile();
  const whole = new Uint8Array(layer.offset + content.length + 100);
  whole.set(content, layer.offset);
  await Deno.writeFile(file, whole);
  const damaged: ServedLayer[] = [];
  const files = new Content((one) => damaged.push(one));
  const served = repositories(file);
  const server = new HttpServer({
    answer: (question: Question) => answer(question, served),
    content: (body) => files.read(body),
    maxConnections: 3,
    patience: { head: 300, idle: 300, send: 300 },
    onStuck: () => {},
    ...changes,
  });
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const running = server.serve(listener);
  const { port } = listener.addr as Deno.NetAddr;
  return {
    url: `http://127.0.0.1:${port}/v2/app`,
    port,
    damaged,
    [Symbol.asyncDispose]: async () => {
      listener.close();
      await running;
      await Deno.remove(file);
    },
  };
}

/** What comes back for these bytes, until the other end closes. */
async function converse(port: number, text: string): Promise<string> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await connection.write(new TextEncoder().encode(text)).catch(() => {});
  return await new Response(connection.readable).text().catch(() => "reset");
}

Deno.test("HttpServer sends a layer whole and in parts, and answers one request after another", async () => {
  await using rig = await serve(bytes);
  const client = Deno.createHttpClient({ poolMaxIdlePerHost: 1 });
  const get = async (headers: Record<string, string> = {}) =>
    new Uint8Array(await (await fetch(`${rig.url}/blobs/${layer.digest}`, { headers, client })).arrayBuffer());
  assertEquals(await get({ range: "bytes=500000-500009" }), bytes.slice(500_000, 500_010));
  assertEquals(sha256(await get()), layer.digest);
  const head = await fetch(`${rig.url}/blobs/${layer.digest}`, { method: "HEAD", client });
  assertEquals([head.status, head.headers.get("content-length")], [200, String(bytes.length)]);
  assertEquals(await head.text(), "");
  const both = await converse(
    rig.port,
    "GET /v2/ HTTP/1.1\r\nhost: x\r\n\r\nGET /v2/app/tags/list HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
  );
  assertEquals(both.match(/HTTP\/1\.1 200 OK/g)?.length, 2, both);
  client.close();
});

Deno.test("HttpServer does not send the end of a damaged layer, nor any part of it, and says so", async () => {
  const spoilt = bytes.slice();
  spoilt[599_999] ^= 1;
  await using rig = await serve(spoilt);
  for (const headers of [{}, { range: "bytes=0-9" }] as Record<string, string>[]) {
    const response = await fetch(`${rig.url}/blobs/${layer.digest}`, { headers });
    const text = await response.arrayBuffer().then(() => "whole", () => "cut");
    assertEquals(text, "cut", JSON.stringify(headers));
  }
  assertEquals(rig.damaged.length, 2);
});

Deno.test("HttpServer refuses what is no request, has a body, or is too long", async () => {
  await using rig = await serve(bytes);
  const status = async (text: string) => /^HTTP\/1\.1 (\d+)/.exec(await converse(rig.port, text))?.[1];
  assertEquals(await status("hello\r\n\r\n"), "400");
  assertEquals(await status("GET http://x/ HTTP/1.1\r\nhost: x\r\n\r\n"), "400");
  assertEquals(await status("GET /v2/ HTTP/1.1\r\n\r\n"), "400");
  assertEquals(await status("GET /v2/ HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n"), "400");
  assertEquals(await status("GET /v2/ HTTP/1.1\r\nhost : x\r\n\r\n"), "400");
  assertEquals(await status(`GET /v2/ HTTP/1.1\r\nhost: x\r\nx: ${"y".repeat(9_000)}\r\n`), "431");
  const put =
    "PUT /v2/app/manifests/1 HTTP/1.1\r\nhost: x\r\ncontent-length: 40\r\n\r\nGET /v2/ HTTP/1.1\r\nhost: x\r\n\r\n";
  const answered = await converse(rig.port, put);
  assertEquals(answered.match(/HTTP\/1\.1 \d+/g), ["HTTP/1.1 405"], "a body is not taken for requests");
});

Deno.test("HttpServer closes connections that do nothing, refuses more than it has room for, and then goes on", async () => {
  await using rig = await serve(bytes);
  const idle = await Promise.all([1, 2, 3].map(() => Deno.connect({ hostname: "127.0.0.1", port: rig.port })));
  await idle[0].write(new TextEncoder().encode("GET /v2/ HT"));
  const refused = await converse(rig.port, "GET /v2/ HTTP/1.1\r\nhost: x\r\n\r\n");
  assert(refused.startsWith("HTTP/1.1 503") && refused.includes("TOOMANYREQUESTS"), refused);
  for (const connection of idle) {
    assertEquals(await connection.read(new Uint8Array(10)), null);
    connection.close();
  }
  const answered = await converse(rig.port, "GET /v2/ HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
  assert(answered.startsWith("HTTP/1.1 200") && answered.endsWith("{}"), answered);
});

Deno.test("HttpServer gives up on a client that takes nothing", async () => {
  const large = new Uint8Array(30 << 20);
  let ended = false;
  let stuck = 0;
  await using rig = await serve(bytes, {
    content: async function* () {
      try {
        for (let at = 0; at < 100; at++) yield large;
      } finally {
        ended = true;
      }
    },
    onStuck: (count) => stuck = count,
  });
  {
    using connection = await Deno.connect({ hostname: "127.0.0.1", port: rig.port });
    await connection.write(new TextEncoder().encode(`GET /v2/app/blobs/${layer.digest} HTTP/1.1\r\nhost: x\r\n\r\n`));
    for (const until = Date.now() + 10_000; !ended && Date.now() < until;) {
      await new Promise((go) => setTimeout(go, 20));
    }
    assert(ended, "the answer went on");
    assertEquals(stuck, 1);
  }
  // What was given up on is counted until it is gone.
  await new Promise((go) => setTimeout(go, 100));
});
