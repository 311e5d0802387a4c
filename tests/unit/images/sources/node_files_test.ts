/** The node's own files: registries.conf with its drop-ins, certs.d, auth files, credential programs. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import type { Config } from "../../../../src/config/types.ts";
import { childEnvironment } from "../../../../src/images/child_environment.ts";
import { parseReference } from "../../../../src/images/reference.ts";
import { certificatesOf } from "../../../../src/images/sources/certificates.ts";
import { ImageSources } from "../../../../src/images/sources/image_sources.ts";
import { RegistriesConf } from "../../../../src/images/sources/registries_conf.ts";
import { RpcError } from "../../../../src/rpc/status.ts";
import { kernel, programs } from "../../real_kernel.ts";
import { imagesConfig, MemoryLogger, sha256 } from "../support.ts";

interface Folder extends AsyncDisposable {
  path: string;
  write(name: string, text: string, mode?: number): Promise<string>;
}

async function makeFolder(): Promise<Folder> {
  const path = await Deno.makeTempDir({ prefix: "skiff-sources-" });
  return {
    path,
    async write(name, text, mode = 0o600) {
      const file = `${path}/${name}`;
      await Deno.mkdir(file.slice(0, file.lastIndexOf("/")), { recursive: true });
      await Deno.writeTextFile(file, text, { mode });
      return file;
    },
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}

function confOf(folder: Folder, registries: Config["images"]["registries"] = {}) {
  const logger = new MemoryLogger();
  const config = { registries, registriesConf: `${folder.path}/registries.conf` };
  return { logger, conf: new RegistriesConf({ kernel, logger, config }) };
}

function sourcesOf(folder: Folder, changes: Partial<Config["images"]> = {}) {
  const logger = new MemoryLogger();
  const config = imagesConfig({ certsDirs: [`${folder.path}/certs.d`], ...changes });
  return { logger, sources: new ImageSources({ kernel, programs, logger, config }) };
}

async function endpointsOf(sources: ImageSources, name: string, requester = {}) {
  const source = await sources.source(parseReference(name), { namespace: "", ...requester });
  return source.kind === "registry" ? source.endpoints : [];
}

Deno.test("RegistriesConf.current() reads drop-ins by name: tables and lists are replaced, aliases added and taken away", async () => {
  await using folder = await makeFolder();
  await folder.write(
    "registries.conf",
    'unqualified-search-registries = ["main.test"]\n[[registry]]\nlocation = "a.test"\nblocked = true\n[aliases]\nx = "a.test/x"\ny = "a.test/y"\n',
  );
  await folder.write("registries.conf.d/20.conf", '[[registry]]\nlocation = "a.test"\ninsecure = true\n');
  await folder.write("registries.conf.d/10.conf", 'unqualified-search-registries = ["ten.test"]\n[aliases]\nx = ""\n');
  await folder.write("registries.conf.d/30.txt", "not read");
  const rules = confOf(folder).conf.current();
  assertEquals(rules.rules.map(({ prefix, blocked, insecure, origin }) => [prefix, blocked, insecure, origin]), [
    ["a.test", false, true, `${folder.path}/registries.conf.d/20.conf:1`],
  ]);
  assertEquals(rules.search?.registries, ["ten.test"]);
  assertEquals([...rules.aliases.keys()], ["y"]);
});

Deno.test("RegistriesConf.current() lets our own configuration win for its hosts", async () => {
  await using folder = await makeFolder();
  await folder.write(
    "registries.conf",
    '[[registry]]\nlocation = "a.test/deep"\nblocked = true\n[[registry]]\nlocation = "b.test"\nblocked = true\n',
  );
  const { conf } = confOf(folder, { "a.test": { mirrors: [{ url: "http://m.test" }], plainHttp: true } });
  assertEquals(conf.current().rules.map(({ prefix, blocked, plainHttp }) => [prefix, blocked, plainHttp]), [
    ["b.test", true, false],
    ["a.test", false, true],
  ]);
});

Deno.test("RegistriesConf.current() sees a change; a file that becomes wrong changes nothing and is logged once", async () => {
  await using folder = await makeFolder();
  const { conf, logger } = confOf(folder);
  assertEquals(conf.current().rules, []);
  const file = await folder.write("registries.conf", '[[registry]]\nlocation = "a.test"\n');
  assertEquals(conf.current().rules.length, 1);
  await Deno.writeTextFile(file, '[[registry]]\nlocation = "a.test"\nblocked = 1\n');
  assertEquals([conf.current().rules.length, conf.current().rules.length], [1, 1]);
  const errors = logger.lines.filter(({ level }) => level === "error");
  assertEquals(errors.length, 1);
  assert(String(errors[0].fields?.error).includes(`${file}:3: registry.blocked`), String(errors[0].fields?.error));
  await folder.write("registries.conf.d/1.conf", '[[registry]]\nlocation = "b.test"\n');
  await Deno.remove(file);
  assertEquals(conf.current().rules.map(({ prefix }) => prefix), ["b.test"]);
});

Deno.test("RegistriesConf.current() refuses all pulls while the files never were right, and opens no fifo", async () => {
  await using folder = await makeFolder();
  const file = await folder.write("registries.conf", "x = [");
  const { conf } = confOf(folder);
  assert(assertThrows(() => conf.current(), RpcError).message.includes(`${file}:`));
  await Deno.remove(file);
  kernel.mkfifo(file, 0o600);
  assert(assertThrows(() => conf.current(), RpcError).message.includes("is not a regular file"));
});

Deno.test("certificatesOf() reads the first folder that has the host, and says which file is missing or wrong", async () => {
  await using folder = await makeFolder();
  const pem = (kind: string) => `-----BEGIN ${kind}-----\nAA==\n-----END ${kind}-----\n`;
  const folders = [`${folder.path}/one`, `${folder.path}/two`];
  const read = () => certificatesOf(kernel, folders, "a.test:5000");
  assertEquals(read(), { tls: undefined, files: [] });
  await folder.write("two/a.test:5000/ca.crt", pem("CERTIFICATE"));
  assertEquals(read().tls, { caCerts: [pem("CERTIFICATE")] });
  await folder.write("one/a.test:5000/client.cert", pem("CERTIFICATE"));
  assert(assertThrows(read, Error).message.endsWith("client.cert has no .key file beside it"));
  await folder.write("one/a.test:5000/client.key", "no key");
  assert(assertThrows(read, Error).message.includes("client.key holds no PEM block"));
  await folder.write("one/a.test:5000/client.key", pem("EC PRIVATE KEY"));
  assertEquals(read(), {
    tls: { caCerts: [], cert: pem("CERTIFICATE"), key: pem("EC PRIVATE KEY") },
    files: ["client.cert", "client.key"].map((name) => `${folder.path}/one/a.test:5000/${name}`),
  });
  await Deno.remove(`${folder.path}/one/a.test:5000/client.cert`);
  assert(assertThrows(read, Error).message.endsWith("client.key has no .cert file beside it"));
});

Deno.test("ImageSources.source() takes the request's credentials, else the first auth file that knows the registry", async () => {
  await using folder = await makeFolder();
  const [one, two] = await Promise.all(
    ["one", "two"].map((name) =>
      folder.write(`${name}.json`, JSON.stringify({ auths: { [`${name}.test`]: { username: name, password: "p" } } }))
    ),
  );
  const { sources } = sourcesOf(folder, { authFiles: [`${folder.path}/none.json`, one, two] });
  const user = async (name: string, requester = {}) => (await endpointsOf(sources, name, requester))[0].auth?.username;
  assertEquals(await user("one.test/a"), "one");
  assertEquals(await user("two.test/a"), "two");
  assertEquals(await user("three.test/a"), undefined);
  assertEquals(await user("two.test/a", { auth: { username: "me", password: "" } }), "me");
  assertEquals(await user("two.test/a", { auth: { username: "me", serverAddress: "other.test" } }), "two");
});

Deno.test("ImageSources.source() gives a mirror its own credentials, never the registry's; a broken one is passed over", async () => {
  await using folder = await makeFolder();
  const auths = { "mirror.test": { username: "m", password: "p" } };
  const authFile = await folder.write("auth.json", JSON.stringify({ auths }));
  const registriesConf = await folder.write(
    "registries.conf",
    '[[registry]]\nlocation = "a.test"\n[[registry.mirror]]\nlocation = "mirror.test"\n[[registry.mirror]]\nlocation = "bare.test"\n',
  );
  const { sources, logger } = sourcesOf(folder, { authFiles: [authFile], registriesConf });
  const auth = { username: "u", password: "p" };
  const users = async () => (await endpointsOf(sources, "a.test/x", { auth })).map((one) => one.auth?.username);
  assertEquals(await users(), ["m", undefined, "u"]);
  await folder.write("certs.d/mirror.test/client.cert", "-----BEGIN CERTIFICATE-----");
  assertEquals(await users(), [undefined, "u"]);
  assert(logger.lines.some(({ message }) => message.includes("passed over")));
});

Deno.test("ImageSources.source() uses a namespace's file once, and no path that a namespace could make up", async () => {
  await using folder = await makeFolder();
  const sum = sha256(new TextEncoder().encode("docker.io/library/busybox")).slice(7);
  const text = JSON.stringify({ auths: { "docker.io": { username: "ns", password: "p" } } });
  const file = await folder.write(`auth/team-${sum}.json`, text);
  const { sources } = sourcesOf(folder, { namespacedAuthDir: `${folder.path}/auth` });
  const user = async (namespace: string) => (await endpointsOf(sources, "busybox:1", { namespace }))[0].auth?.username;
  assertEquals(await user("other"), undefined);
  assertEquals(await user("../auth/team"), undefined);
  assertEquals(await user("team"), "ns");
  assertEquals(await Deno.stat(file).then(() => true, () => false), false);
  assertEquals(await user("team"), undefined);
});

Deno.test("ImageSources.source() asks docker-credential programs, whose secrets appear nowhere else", async () => {
  await using folder = await makeFolder();
  const program = (name: string, body: string) =>
    folder.write(`bin/docker-credential-${name}`, `#!/bin/sh\nread host; ${body}\n`, 0o700);
  await program("good", `echo '{"ServerURL":"'$host'","Username":"'$host'","Secret":"s3cret"}'`);
  await program("token", `echo '{"Username":"<token>","Secret":"s3cret"}'`);
  await program("none", "echo credentials not found in native keychain; exit 1");
  await program("broken", "echo s3cret; echo no keychain >&2; exit 1");
  await program("talks", "echo s3cret");
  const helpers = ["good", "token", "none", "broken", "talks", "missing"];
  const credHelpers = Object.fromEntries(helpers.map((name) => [`${name}.test`, name]));
  const authFile = await folder.write("auth.json", JSON.stringify({ credHelpers }));
  const { sources } = sourcesOf(folder, { authFiles: [authFile], credentialHelperDirs: [`${folder.path}/bin`] });
  const auth = async (host: string) => (await endpointsOf(sources, `${host}/a`))[0].auth;
  assertEquals(await auth("good.test"), { username: "good.test", password: "s3cret" });
  assertEquals(await auth("token.test"), { identityToken: "s3cret" });
  assertEquals(await auth("none.test"), undefined);
  for (
    const [host, part] of [["broken.test", "no keychain"], ["talks.test", "with JSON"], ["missing.test", "is not in"]]
  ) {
    const { message } = await assertRejects(() => auth(host), RpcError);
    assertEquals([message.includes(part), message.includes("s3cret")], [true, false], message);
  }
});

Deno.test("ImageSources.explain() says what would be tried and why, without secrets, and asks nobody", async () => {
  await using folder = await makeFolder();
  const auths = { "a.test": { username: "u", password: "s3cret" } };
  const authFile = await folder.write("auth.json", JSON.stringify({ auths, credHelpers: { "m.test": "missing" } }));
  const registriesConf = await folder.write(
    "registries.conf",
    'unqualified-search-registries = ["a.test", "bad.test"]\n[[registry]]\nlocation = "bad.test"\nblocked = true\n' +
      '[[registry]]\nlocation = "a.test"\n[[registry.mirror]]\nlocation = "m.test/cache"\n',
  );
  const { sources } = sourcesOf(folder, { authFiles: [authFile], registriesConf });
  const explained = sources.explain("app:1", "");
  assertEquals(explained.map(({ name, refused }) => [name, refused !== ""]), [
    ["a.test/app:1", false],
    ["bad.test/app:1", true],
  ]);
  assertEquals(explained[0].endpoints, [
    {
      url: "https://m.test",
      image: "m.test/cache/app:1",
      why: `mirror, ${registriesConf}:5`,
      credentials: `docker-credential-missing, named in ${authFile} for m.test`,
      certificates: [],
    },
    {
      url: "https://a.test",
      image: "a.test/app:1",
      why: `the registry, ${registriesConf}:5`,
      credentials: `the request's, else ${authFile} (a.test)`,
      certificates: [],
    },
  ]);
});

Deno.test("childEnvironment() has the proxies of the configuration, and never sends what is on the node through one", () => {
  const { proxy } = imagesConfig();
  const none = childEnvironment(kernel, { network: true, proxy });
  assert(none.NO_PROXY.endsWith("localhost,127.0.0.0/8,::1"), none.NO_PROXY);
  const set = childEnvironment(kernel, {
    network: true,
    proxy: { http: "http://p.test:1", https: "http://q.test:2", noProxy: ["a.test", "10.0.0.0/8"] },
  });
  assertEquals([set.HTTP_PROXY, set.HTTPS_PROXY, set.NO_PROXY, set.no_proxy], [
    "http://p.test:1",
    "http://q.test:2",
    "a.test,10.0.0.0/8,localhost,127.0.0.0/8,::1",
    undefined,
  ]);
  assertEquals(childEnvironment(kernel, { network: false, proxy }).NO_PROXY, undefined);
});
