import { assert, assertEquals, assertRejects } from "@std/assert";
import type { SourceError } from "../../../src/images/byte_source.ts";
import type { Endpoint } from "../../../src/images/child_events.ts";
import { parseChallenges } from "../../../src/images/registry/challenge.ts";
import { RegistrySource } from "../../../src/images/registry/registry_source.ts";
import type { RegistryAuth } from "../../../src/images/types.ts";
import { Code } from "../../../src/rpc/status.ts";
import { cutBody, startTestRegistry, type TestRegistry } from "./registry_support.ts";
import { buildImage, sha256 } from "./support.ts";
import { concat, file, tar } from "./tar_builder.ts";

const IMAGE = buildImage([tar([file("big", crypto.getRandomValues(new Uint8Array(60_000)))])]);
const LAYER = IMAGE.layers[0];
const BLOB = { mediaType: "", digest: LAYER.digest, size: LAYER.bytes.length };

function sourceOf(endpoints: Endpoint[], stallMilliseconds = 2000): RegistrySource {
  return new RegistrySource({ kind: "registry", repository: "app", endpoints, stallMilliseconds });
}

function at(registry: TestRegistry, auth?: RegistryAuth): Endpoint {
  return { url: `http://${registry.host}`, auth };
}

async function read(source: RegistrySource, blob = BLOB): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of source.blob(blob)) parts.push(part.slice());
  return concat(parts);
}

async function failure(promise: Promise<unknown>): Promise<SourceError> {
  return await assertRejects(() => promise) as SourceError;
}

const blobRequests = (registry: TestRegistry) => registry.requests.filter(({ path }) => path.includes("/blobs/"));

Deno.test("RegistrySource.manifest() gives bytes and media type by tag and by digest", async () => {
  await using registry = startTestRegistry(IMAGE);
  const source = sourceOf([at(registry)]);
  for (const reference of ["1", IMAGE.manifest.digest]) {
    const { bytes, mediaType } = await source.manifest(reference, 1 << 20);
    assertEquals([sha256(bytes), mediaType], [IMAGE.manifest.digest, "application/vnd.oci.image.manifest.v1+json"]);
  }
});

Deno.test("RegistrySource.manifest() refuses a manifest over the limit", async () => {
  await using registry = startTestRegistry(IMAGE);
  const { message } = await failure(sourceOf([at(registry)]).manifest("1", 100));
  assert(message.includes("over 100 bytes"), message);
});

Deno.test("RegistrySource.manifest() of a missing tag is NOT_FOUND, with host, status, the registry's words and advice", async () => {
  await using registry = startTestRegistry(IMAGE);
  const error = await failure(sourceOf([at(registry)]).manifest("none", 1000));
  assertEquals(error.code, Code.NOT_FOUND);
  for (const part of [registry.host, "404", "MANIFEST_UNKNOWN", "check the name and the tag"]) {
    assert(error.message.includes(part), error.message);
  }
});

Deno.test("RegistrySource.blob() takes up a cut download where it broke, as often as bytes come", async () => {
  await using registry = startTestRegistry(IMAGE);
  registry.misbehave = (request, path) => {
    if (!path.includes("/blobs/")) return undefined;
    const start = Number(/=(\d+)-/.exec(request.headers.get("range") ?? "")?.[1] ?? 0);
    if (start > 40_000) return undefined;
    const headers = { "content-range": `bytes ${start}-${BLOB.size - 1}/${BLOB.size}` };
    return new Response(cutBody(LAYER.bytes.slice(start), 5_000), { status: start === 0 ? 200 : 206, headers });
  };
  assertEquals(sha256(await read(sourceOf([at(registry)]))), LAYER.digest);
  const ranges = blobRequests(registry).map(({ range }) => range);
  assertEquals(ranges[0], null);
  assert(ranges.length >= 8 && ranges.slice(1).every((range) => range !== null), String(ranges));
});

Deno.test("RegistrySource.blob() copes with a server that ignores Range", async () => {
  await using registry = startTestRegistry(IMAGE);
  let count = 0;
  registry.misbehave = (_, path) => {
    if (!path.includes("/blobs/")) return undefined;
    return count++ === 0 ? new Response(cutBody(LAYER.bytes, 5_000)) : new Response(LAYER.bytes as BodyInit);
  };
  assertEquals(sha256(await read(sourceOf([at(registry)]))), LAYER.digest);
});

Deno.test("RegistrySource.blob() refuses another range than it asked for", async () => {
  await using registry = startTestRegistry(IMAGE);
  registry.misbehave = (request) =>
    request.headers.has("range")
      ? new Response(LAYER.bytes as BodyInit, {
        status: 206,
        headers: { "content-range": `bytes 0-${BLOB.size - 1}/${BLOB.size}` },
      })
      : new Response(cutBody(LAYER.bytes, 5_000));
  const { message } = await failure(read(sourceOf([at(registry)])));
  assert(/asked for bytes from \d+, got those from 0/.test(message), message);
});

Deno.test("RegistrySource.blob() never gives more than the descriptor says, and says when it got less", async () => {
  await using registry = startTestRegistry(IMAGE);
  const source = sourceOf([at(registry)]);
  const { message } = await failure(read(source, { ...BLOB, size: 1000 }));
  assert(message.includes("more than the 1000 bytes"), message);
  assertEquals((await read(source, { ...BLOB, size: 0 })).length, 0);
});

Deno.test("RegistrySource.blob() gives up a stalled download after the timeout, and takes it up again", async () => {
  await using registry = startTestRegistry(IMAGE);
  let stalls = 0;
  registry.misbehave = (request, path) => {
    if (!path.includes("/blobs/") || request.headers.has("range")) return undefined;
    stalls++;
    return new Response(new ReadableStream({ start: (controller) => controller.enqueue(LAYER.bytes.slice(0, 1000)) }));
  };
  assertEquals(sha256(await read(sourceOf([at(registry)], 400))), LAYER.digest);
  assertEquals(stalls, 1);
});

Deno.test("RegistrySource.manifest() of a server that never answers is RegistryUnavailable", async () => {
  await using registry = startTestRegistry(IMAGE);
  const held: (() => void)[] = [];
  registry.misbehave = () => new Promise((resolve) => held.push(() => resolve(new Response("")) as unknown as void));
  const error = await failure(sourceOf([at(registry)], 150).manifest("1", 1000));
  held.forEach((release) => release());
  assertEquals(error.code, Code.UNAVAILABLE);
  assert(error.message.startsWith("RegistryUnavailable: "), error.message);
  assert(error.message.includes("images.stallTimeoutSeconds"), error.message);
});

Deno.test("RegistrySource.manifest() of a closed port is RegistryUnavailable", async () => {
  let port: number;
  {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    port = listener.addr.port;
  }
  const error = await failure(sourceOf([{ url: `http://127.0.0.1:${port}` }]).manifest("1", 1000));
  assertEquals([error.code, error.message.startsWith("RegistryUnavailable: ")], [Code.UNAVAILABLE, true]);
  assert(error.message.includes(`127.0.0.1:${port}`), error.message);
});

Deno.test("RegistrySource.manifest() waits as long as 429's Retry-After says, then succeeds", async () => {
  await using registry = startTestRegistry(IMAGE);
  let count = 0;
  registry.misbehave = () =>
    count++ === 0 ? new Response("slow down", { status: 429, headers: { "retry-after": "1" } }) : undefined;
  const start = performance.now();
  await sourceOf([at(registry)]).manifest("1", 1 << 20);
  assert(performance.now() - start >= 990);
});

Deno.test("RegistrySource.manifest() does not wait for minutes", async () => {
  await using registry = startTestRegistry(IMAGE);
  registry.misbehave = () => new Response("", { status: 429, headers: { "retry-after": "3600" } });
  const error = await failure(sourceOf([at(registry)]).manifest("1", 1000));
  assertEquals(error.code, Code.RESOURCE_EXHAUSTED);
  assert(error.message.includes("limits its clients"), error.message);
  assertEquals(registry.requests.length, 1);
});

Deno.test("RegistrySource.manifest() tries a failing server again, but not what a server refuses", async () => {
  await using registry = startTestRegistry(IMAGE);
  let count = 0;
  registry.misbehave = () => count++ < 2 ? new Response("", { status: 503 }) : undefined;
  await sourceOf([at(registry)]).manifest("1", 1 << 20);
  assertEquals(count, 3);
  count = 0;
  registry.misbehave = () => {
    count++;
    return new Response("", { status: 403 });
  };
  assertEquals((await failure(sourceOf([at(registry)]).manifest("1", 1000))).code, Code.PERMISSION_DENIED);
  assertEquals(count, 1);
});

Deno.test("RegistrySource asks mirrors first, in order and without credentials, then the host", async () => {
  await using down = startTestRegistry(IMAGE);
  await using empty = startTestRegistry(buildImage([]), "other");
  await using host = startTestRegistry(IMAGE);
  down.misbehave = () => new Response("", { status: 500 });
  const source = sourceOf([
    { url: `http://${down.host}/prefix/`, mirrorOf: "example.com", namespace: "example.com" },
    { url: `http://${empty.host}`, mirrorOf: "example.com" },
    at(host, { registryToken: "secret" }),
  ]);
  await source.manifest("1", 1 << 20);
  assertEquals(down.requests, [{
    path: "/prefix/v2/app/manifests/1",
    authorization: null,
    range: null,
    query: "?ns=example.com",
  }]);
  assertEquals(empty.requests.map(({ authorization }) => authorization), [null]);
  assertEquals(host.requests.map(({ authorization, query }) => [authorization, query]), [["Bearer secret", ""]]);
  assertEquals(sha256(await read(source)), LAYER.digest);
});

Deno.test("RegistrySource.blob() goes on at the host where a mirror broke", async () => {
  await using mirror = startTestRegistry(IMAGE);
  await using host = startTestRegistry(IMAGE);
  mirror.misbehave = (request) =>
    request.headers.has("range") ? new Response("", { status: 500 }) : new Response(cutBody(LAYER.bytes, 7000));
  const source = sourceOf([{ url: `http://${mirror.host}`, mirrorOf: "example.com" }, at(host)]);
  assertEquals(sha256(await read(source)), LAYER.digest);
  assertEquals(host.requests.length, 1);
  assert(host.requests[0].range !== null);
});

Deno.test("RegistrySource names all endpoints when none helps", async () => {
  await using mirror = startTestRegistry(IMAGE, "other");
  await using host = startTestRegistry(IMAGE, "other");
  const { message } = await failure(
    sourceOf([{ url: `http://${mirror.host}`, mirrorOf: "x" }, at(host)]).manifest("1", 1000),
  );
  assert(message.includes(mirror.host) && message.includes(host.host), message);
});

/** Demands a bearer token that `/token` gives to those with the right credentials. */
function demandToken(
  registry: TestRegistry,
  tokens: { query: string; authorization: string | null; body: string }[],
): void {
  registry.misbehave = async (request, path) => {
    if (path === "/token") {
      const url = new URL(request.url);
      tokens.push({
        query: url.search,
        authorization: request.headers.get("authorization"),
        body: await request.text(),
      });
      return Response.json({ token: "t0ken" });
    }
    if (request.headers.get("authorization") === "Bearer t0ken") return undefined;
    const challenge =
      `Bearer realm="http://${registry.host}/token",service="test, registry",scope="repository:app:pull"`;
    return new Response("", { status: 401, headers: { "www-authenticate": challenge } });
  };
}

Deno.test("RegistrySource gets a token anonymously and with a password, and keeps it", async () => {
  for (
    const [auth, authorization] of [[undefined, null], [
      { username: "user", password: "pässword" },
      `Basic ${btoa("user:p\u00c3\u00a4ssword")}`,
    ], [{ auth: btoa("a:b") }, `Basic ${btoa("a:b")}`]] as const
  ) {
    await using registry = startTestRegistry(IMAGE);
    const tokens: Parameters<typeof demandToken>[1] = [];
    demandToken(registry, tokens);
    const source = sourceOf([at(registry, auth)]);
    await source.manifest("1", 1 << 20);
    await read(source);
    assertEquals(tokens, [{
      query: "?service=test%2C+registry&scope=repository%3Aapp%3Apull",
      authorization,
      body: "",
    }]);
  }
});

Deno.test("RegistrySource trades an identity token for a token by POST", async () => {
  await using registry = startTestRegistry(IMAGE);
  const tokens: Parameters<typeof demandToken>[1] = [];
  demandToken(registry, tokens);
  await sourceOf([at(registry, { identityToken: "id" })]).manifest("1", 1 << 20);
  assertEquals(tokens.length, 1);
  assert(
    tokens[0].body.includes("grant_type=refresh_token") && tokens[0].body.includes("refresh_token=id"),
    tokens[0].body,
  );
});

Deno.test("RegistrySource logs in with Basic where the registry wants that, and reports wrong credentials as UNAUTHENTICATED", async () => {
  await using registry = startTestRegistry(IMAGE);
  registry.misbehave = (request) =>
    request.headers.get("authorization") === `Basic ${btoa("u:p")}`
      ? undefined
      : new Response("", { status: 401, headers: { "www-authenticate": 'Basic realm="x"' } });
  await sourceOf([at(registry, { username: "u", password: "p" })]).manifest("1", 1 << 20);
  const error = await failure(sourceOf([at(registry, { username: "u", password: "wrong" })]).manifest("1", 1000));
  assertEquals(error.code, Code.UNAUTHENTICATED);
  assert(error.message.includes("check the pull secret") && !error.message.includes("wrong"), error.message);
  assertEquals((await failure(sourceOf([at(registry)]).manifest("1", 1000))).code, Code.UNAUTHENTICATED);
});

Deno.test("RegistrySource leaves the Authorization header behind on a redirect to another origin (CVE-2020-15157)", async () => {
  await using other = startTestRegistry(IMAGE);
  await using registry = startTestRegistry(IMAGE);
  registry.misbehave = (_, path) =>
    path.includes("/blobs/") ? Response.redirect(`http://${other.host}${path}?signature=s3cret`, 307) : undefined;
  const source = sourceOf([at(registry, { registryToken: "secret" })]);
  assertEquals(sha256(await read(source)), LAYER.digest);
  assertEquals(registry.requests[0].authorization, "Bearer secret");
  assertEquals(other.requests.map(({ authorization }) => authorization), [null]);
  other.misbehave = () => new Response("", { status: 403, headers: { "www-authenticate": `Basic realm="x"` } });
  const { message } = await failure(read(source));
  assert(!message.includes("s3cret"), message);
});

Deno.test("RegistrySource does not log in at another origin that answers a redirect with 401", async () => {
  await using other = startTestRegistry(IMAGE);
  await using registry = startTestRegistry(IMAGE);
  other.misbehave = () => new Response("", { status: 401, headers: { "www-authenticate": 'Basic realm="x"' } });
  registry.misbehave = (_, path) => Response.redirect(`http://${other.host}${path}`, 307);
  assertEquals(
    (await failure(read(sourceOf([at(registry, { username: "u", password: "p" })])))).code,
    Code.UNAUTHENTICATED,
  );
  assertEquals(other.requests.map(({ authorization }) => authorization), [null]);
});

Deno.test("RegistrySource ends a loop of redirects, and follows none to something that is not the web", async () => {
  await using registry = startTestRegistry(IMAGE);
  registry.misbehave = (_, path) => Response.redirect(`http://${registry.host}${path}`, 302);
  assert((await failure(read(sourceOf([at(registry)])))).message.includes("more than 10 redirects"));
  registry.misbehave = () => new Response("", { status: 302, headers: { location: "file:///etc/shadow" } });
  assert((await failure(read(sourceOf([at(registry)])))).message.includes("no web address"));
});

Deno.test("RegistrySource sends no credentials to a token server in clear text on behalf of an https registry", async () => {
  const { Authorizer } = await import("../../../src/images/registry/authorizer.ts");
  const authorizer = new Authorizer(new URL("https://example.com"), "app", { username: "u", password: "p" });
  const challenge = 'Bearer realm="http://evil.example/token",service="x"';
  await assertRejects(() => authorizer.answer(challenge, new AbortController().signal), Error, "not an https address");
});

Deno.test("parseChallenges() reads several challenges in one header, quoted commas and tokens", () => {
  assertEquals(
    parseChallenges(
      'Basic realm="a, b", Bearer realm="https://x/t",service=s,scope="repository:a:pull,push" , Negotiate',
    ),
    [
      { scheme: "basic", parameters: { realm: "a, b" } },
      { scheme: "bearer", parameters: { realm: "https://x/t", service: "s", scope: "repository:a:pull,push" } },
      { scheme: "negotiate", parameters: {} },
    ],
  );
  assertEquals(parseChallenges(""), []);
  assertEquals(parseChallenges('"""'), []);
});

Deno.test("RegistrySource says so when the node's certificates for a registry are none, and does not try again", async () => {
  const tls = { caCerts: ["-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] };
  const error = await failure(sourceOf([{ url: "https://127.0.0.1:1", host: "a.test", tls }]).manifest("1", 1000));
  assertEquals(error.code, Code.FAILED_PRECONDITION);
  assert(error.message.includes("certificates that this node has for a.test cannot be used"), error.message);
});

Deno.test("RegistrySource asks an endpoint for its own repository and tag, and sends no ns where none is said", async () => {
  await using registry = startTestRegistry(IMAGE, "moved");
  const source = sourceOf([{ ...at(registry), repository: "else/where", tag: "moved", mirrorOf: "example.com" }]);
  await source.manifest("1", 1 << 20);
  await source.manifest(IMAGE.manifest.digest, 1 << 20);
  assertEquals(registry.requests.map(({ path, query }) => path + query), [
    "/v2/else/where/manifests/moved",
    `/v2/else/where/manifests/${IMAGE.manifest.digest}`,
  ]);
});

Deno.test("RegistrySource speaks plain HTTP to an insecure registry that speaks no TLS, not to another", async () => {
  await using registry = startTestRegistry(IMAGE);
  const url = `https://${registry.host}`;
  await sourceOf([{ url, insecure: true }]).manifest("1", 1 << 20);
  assertEquals(registry.requests.map(({ path }) => path), ["/v2/", "/v2/app/manifests/1"]);
  const error = await failure(sourceOf([{ url }]).manifest("1", 1000));
  assertEquals(error.code, Code.FAILED_PRECONDITION);
  assert(error.message.includes("does not speak TLS") && error.message.includes("registries.conf"), error.message);
});

Deno.test("RegistrySource.blob() begins where the manifest was found, not at the mirror that failed before", async () => {
  await using down = startTestRegistry(IMAGE);
  await using host = startTestRegistry(IMAGE);
  down.misbehave = () => new Response("", { status: 500 });
  const source = sourceOf([{ ...at(down), mirrorOf: "example.com" }, at(host)]);
  await source.manifest("1", 1 << 20);
  assertEquals(sha256(await read(source)), LAYER.digest);
  assertEquals(blobRequests(down), []);
});
