/**
 * Servers for the registry tests, in one process of the node's network: a token server, a proxy that breaks what it passes
 * on, a registry that sends elsewhere, and a forward proxy. Every request is a line of JSON in the log.
 *
 * Usage: deno run -A servers.ts SETUP.json
 */
export interface Setup {
  /** The registry behind: http://host:port */
  upstream: string;
  log: string;
  /** PEM files. */
  certificate: string;
  key: string;
  signingCertificate: string;
  signingKey: string;
  ports: {
    token: number;
    flaky: number;
    elsewhere: number;
    secureElsewhere: number;
    redirecting: number;
    proxy: number;
  };
}

/** A request, as a server saw it. */
export interface Seen {
  server: string;
  method: string;
  path: string;
  query: string;
  authorization: string | null;
  range: string | null;
  accept: string | null;
  body: string;
}

export const USER = "robot";
export const PASSWORD = "pass:wörd";
export const REFRESH_TOKEN = "refresh-me";
export const ISSUER = "token server of the tests";
export const SERVICE = "registry of the tests";

const MANIFEST = /^\/v2\/(.+)\/manifests\/[^/]+$/;
const BLOB = /^\/v2\/(.+)\/blobs\/[^/]+$/;
/** Bytes after which an answer breaks off. */
const CUT_AFTER = 100_000;
const FAILURES_FIRST = 2;

if (import.meta.main) await main(JSON.parse(await Deno.readTextFile(Deno.args[0])));

async function main(setup: Setup): Promise<void> {
  const log = await Deno.open(setup.log, { append: true, create: true });
  const tls = { cert: await Deno.readTextFile(setup.certificate), key: await Deno.readTextFile(setup.key) };
  const note = async (server: string, request: Request): Promise<Seen> => {
    const url = new URL(request.url);
    const seen: Seen = {
      server,
      method: request.method,
      path: url.pathname,
      query: url.search,
      authorization: request.headers.get("authorization"),
      range: request.headers.get("range"),
      accept: request.headers.get("accept"),
      body: await request.text(),
    };
    log.writeSync(new TextEncoder().encode(JSON.stringify(seen) + "\n"));
    return seen;
  };
  const serve = (name: keyof Setup["ports"], secure: boolean, answer: (seen: Seen) => Promise<Response> | Response) =>
    Deno.serve(
      { hostname: "127.0.0.1", port: setup.ports[name], onListen: () => {}, ...(secure ? tls : {}) },
      async (request) => await answer(await note(name, request)),
    );
  const pass = ({ path, range, accept }: Seen, to = path) =>
    fetch(setup.upstream + to, { headers: { accept: accept ?? "*/*", ...(range ? { range } : {}) } });
  const sign = await signer(setup);
  serve("token", true, (seen) => token(seen, sign));
  serve("flaky", false, flaky(pass, gateOf(setup.log)));
  for (const name of ["elsewhere", "secureElsewhere"] as const) serve(name, name !== "elsewhere", (seen) => pass(seen));
  serve("redirecting", true, (seen) => redirect(seen, setup.ports, pass));
  forwardProxy(setup.ports.proxy, (line) => note("proxy", new Request(`http://${line}`, { method: "POST" })));
}

type Pass = (seen: Seen, to?: string) => Promise<Response>;

/** The first part of the repository says how what is passed on from `test/…` breaks. */
function flaky(pass: Pass, gate: string): (seen: Seen) => Promise<Response> {
  const failures = new Map<string, number>();
  const failsFirst = (key: string) => {
    const count = (failures.get(key) ?? 0) + 1;
    failures.set(key, count);
    return count <= FAILURES_FIRST;
  };
  return async (seen) => {
    const [, , mode, ...rest] = seen.path.split("/");
    const isBlob = BLOB.test(seen.path);
    if (mode === "" || mode === undefined) return new Response("{}");
    if (mode === "limited" && failsFirst("limited")) {
      return new Response("slow down", { status: 429, headers: { "retry-after": "1" } });
    }
    if (mode === "always-limited") return new Response("", { status: 429, headers: { "retry-after": "600" } });
    if (mode === "busy" && failsFirst(seen.path)) return new Response("", { status: 503 });
    if (mode === "broken") return new Response("", { status: 500 });
    const response = await pass(seen, `/v2/test/${rest.join("/")}`);
    if (!isBlob || !response.ok) return response;
    const bytes = new Uint8Array(await response.arrayBuffer());
    const headers = new Headers(response.headers);
    const answer = (body: BodyInit) => new Response(body, { status: response.status, headers });
    switch (mode) {
      case "cut":
        return answer(bytes.length > CUT_AFTER ? thenBreak(bytes.subarray(0, CUT_AFTER)) : bytes);
      case "gated":
        if (bytes.length < CUT_AFTER || await exists(gate)) return answer(bytes);
        return answer(new ReadableStream({ start: (controller) => controller.enqueue(bytes.slice(0, 5_000)) }));
      case "stalling":
        if (seen.range !== null || bytes.length < CUT_AFTER) return answer(bytes);
        return answer(new ReadableStream({ start: (controller) => controller.enqueue(bytes.slice(0, 5_000)) }));
      case "long":
        headers.delete("content-length");
        return answer(joined(bytes, new Uint8Array(1_000)));
      case "short":
        headers.delete("content-length");
        return answer(seen.range === null ? bytes.slice(0, 50) : new Uint8Array(0));
      case "wrong":
        return answer(bytes.map((byte, index) => index === 20 ? byte ^ 1 : byte));
    }
    return answer(bytes);
  };
}

/** A file: while it is not there, large blobs of `gated/…` do not come to their end. */
export function gateOf(log: string): string {
  return `${log}.gate`;
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

/** Blobs of `away/…` are at another host, those of `downgraded/…` at one without TLS. Wants the password for all. */
async function redirect(seen: Seen, ports: Setup["ports"], pass: Pass): Promise<Response> {
  if (seen.authorization !== basic(USER, PASSWORD)) {
    return new Response("", { status: 401, headers: { "www-authenticate": 'Basic realm="tests"' } });
  }
  const [, , mode, ...rest] = seen.path.split("/");
  const to = `/v2/test/${rest.join("/")}`;
  if (MANIFEST.test(seen.path) || !BLOB.test(seen.path)) return await pass(seen, to);
  const where = mode === "away"
    ? `https://localhost:${ports.secureElsewhere}${to}?signature=s3cret`
    : `http://127.0.0.1:${ports.elsewhere}${to}?signature=s3cret`;
  return new Response("", { status: 307, headers: { location: where } });
}

/** https://distribution.github.io/distribution/spec/auth/jwt/ */
async function token(seen: Seen, sign: (claims: unknown) => Promise<string>): Promise<Response> {
  const given = new URLSearchParams(seen.method === "POST" ? seen.body : seen.query);
  const isKnown = seen.method === "POST"
    ? given.get("grant_type") === "refresh_token" && given.get("refresh_token") === REFRESH_TOKEN
    : seen.authorization === basic(USER, PASSWORD);
  if (!isKnown) return Response.json({ errors: [{ code: "UNAUTHORIZED", message: "who are you?" }] }, { status: 401 });
  const now = Math.floor(Date.now() / 1000);
  const access = given.getAll("scope").map((scope) => scope.split(":")).map(([type, name, actions]) => (
    { type, name, actions: actions.split(",") }
  ));
  const jwt = await sign({
    iss: ISSUER,
    sub: USER,
    aud: given.get("service"),
    exp: now + 300,
    nbf: now - 10,
    iat: now,
    jti: crypto.randomUUID(),
    access,
  });
  return Response.json(seen.method === "POST" ? { access_token: jwt } : { token: jwt });
}

async function signer({ signingCertificate, signingKey }: Setup): Promise<(claims: unknown) => Promise<string>> {
  const [certificate, pkcs8] = await Promise.all([signingCertificate, signingKey].map(derOf));
  const algorithm = { name: "ECDSA", namedCurve: "P-256" };
  const key = await crypto.subtle.importKey("pkcs8", pkcs8, algorithm, false, ["sign"]);
  const header = { typ: "JWT", alg: "ES256", x5c: [base64(certificate)] };
  return async (claims) => {
    const text = [header, claims].map((part) => base64Url(new TextEncoder().encode(JSON.stringify(part)))).join(".");
    const signature = await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, key, new TextEncoder().encode(text));
    return `${text}.${base64Url(new Uint8Array(signature))}`;
  };
}

/** Tunnels for CONNECT; nothing else. */
async function forwardProxy(port: number, note: (target: string) => Promise<unknown>): Promise<void> {
  for await (const client of Deno.listen({ hostname: "127.0.0.1", port })) {
    (async () => {
      const buffer = new Uint8Array(8_192);
      const head = new TextDecoder().decode(buffer.subarray(0, await client.read(buffer) ?? 0));
      const [, host, targetPort] = /^CONNECT (\S+):(\d+) /.exec(head) ?? [];
      if (host === undefined) return client.close();
      await note(`${host}:${targetPort}/connect`);
      const target = await Deno.connect({ hostname: host.replace(/[[\]]/g, ""), port: Number(targetPort) });
      await client.write(new TextEncoder().encode("HTTP/1.1 200 OK\r\n\r\n"));
      await Promise.allSettled([
        client.readable.pipeTo(target.writable),
        target.readable.pipeTo(client.writable),
      ]);
    })().catch(() => client.close());
  }
}

function thenBreak(bytes: Uint8Array): ReadableStream<Uint8Array> {
  let sent = false;
  return new ReadableStream({
    async pull(controller) {
      if (!sent) {
        sent = true;
        return controller.enqueue(bytes.slice());
      }
      // The server sends what it has only when it has a moment.
      await new Promise((resolve) => setTimeout(resolve, 30));
      controller.error(new Error("cut"));
    },
  });
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(a.length + b.length);
  whole.set(a);
  whole.set(b, a.length);
  return whole;
}

async function derOf(file: string): Promise<Uint8Array<ArrayBuffer>> {
  const body = (await Deno.readTextFile(file)).replace(/-----[^-]+-----|\s/g, "");
  return Uint8Array.from(atob(body), (char) => char.charCodeAt(0));
}

function base64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}

function base64Url(bytes: Uint8Array): string {
  return base64(bytes).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

function basic(user: string, password: string): string {
  return `Basic ${base64(new TextEncoder().encode(`${user}:${password}`))}`;
}
