/** A node serves its images over TLS and as they came: a second node pulls them by their own digests. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { artifact, digestOf, image, index, layer } from "../images/image.ts";
import { removeCgroup } from "../support/cgroups.ts";
import { run, waitUntil } from "../support/command.ts";
import { Instance } from "../support/instance.ts";
import type { TestNode } from "../support/node.ts";
import { refused, type Workbench } from "../support/pods.ts";
import { suite } from "../support/suite.ts";

const HOST = "127.0.0.1:5320";
const { test } = suite({
  images: [],
  daemon: async (node) => {
    await makeCertificates(node);
    const [tlsCertFile, tlsKeyFile] = [`${node.dir}/tls/server.pem`, `${node.dir}/tls/server.key`];
    return { config: { images: { serve: { address: HOST, tlsCertFile, tlsKeyFile, keepBlobs: true } } } };
  },
});
const alone = { skiffOnly: "no peer serves its images" };

/** An authority of the node, another that nobody trusts, and a certificate by the first. */
async function makeCertificates({ dir }: TestNode): Promise<void> {
  const folder = `${dir}/tls`;
  await Deno.mkdir(folder);
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  for (const name of ["ca", "other"]) {
    const files = ["-keyout", `${folder}/${name}.key`, "-out", `${folder}/${name}.pem`];
    await run("openssl", ["req", "-x509", ...key, "-subj", `/CN=${name}`, ...files]);
  }
  await run("openssl", [
    ...["req", "-x509", ...key, "-subj", "/CN=server", "-CA", `${folder}/ca.pem`, "-CAkey", `${folder}/ca.key`],
    ...["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"],
    ...["-keyout", `${folder}/server.key`, "-out", `${folder}/server.pem`],
  ]);
}

const made = image([
  layer([{ path: "a", data: new Uint8Array(400_000).fill(7) }]),
  layer([{ path: "b", data: "zstd" }], "zstd"),
], { Cmd: ["/a"] });

async function curl(bench: Workbench, path: string, authority = "ca", scheme = "https") {
  const body = await Deno.makeTempFile({ dir: bench.node.dir });
  const { code, stdout, stderr } = await bench.node.holder.tryRun(
    "curl",
    ...["-sS", "-m", "20", "--cacert", `${bench.node.dir}/tls/${authority}.pem`, "-o", body],
    ...["-w", "%{http_code} %{content_type}", `${scheme}://${HOST}${path}`],
  );
  const [status, type] = stdout.split(" ");
  return { code, stderr, status, type, body: await Deno.readFile(body) };
}

/** Another node, whose only way to images is the first. */
async function withSecond(
  bench: Workbench,
  authority: string | undefined,
  use: (second: Instance) => Promise<void>,
): Promise<void> {
  const certsDir = `${bench.node.dir}/certs-${crypto.randomUUID().slice(0, 8)}`;
  if (authority !== undefined) {
    await Deno.mkdir(`${certsDir}/${HOST}`, { recursive: true });
    await Deno.copyFile(`${bench.node.dir}/tls/${authority}.pem`, `${certsDir}/${HOST}/ca.crt`);
  }
  const mirrors = { mirrors: [{ url: `https://${HOST}` }] };
  await using second = new Instance(bench.node, {
    title: "second",
    config: { images: { registries: { "registry.test": mirrors }, certsDirs: [certsDir], stallTimeoutSeconds: 2 } },
  });
  await second.start();
  try {
    await use(second);
  } finally {
    await second.stop();
    await removeCgroup(`/${bench.node.name}/${second.cgroup}`);
  }
}

test("serving with keepBlobs: manifests, indexes and layers are byte for byte what was pulled", async (bench) => {
  const list = index([{ image: made, os: "linux", architecture: Deno.build.arch === "aarch64" ? "arm64" : "amd64" }]);
  await bench.node.registry.add("test/kept", "1", made, list);
  const files = artifact([{ title: "f", data: new TextEncoder().encode("file") }], "application/vnd.example.f");
  await bench.node.registry.add("test/kept", "files", files);
  const before = Number((await bench.client.imageFsInfo({})).imageFilesystems[0].usedBytes!.value);
  for (const tag of ["1", "files"]) await bench.pull(bench.node.image(`test/kept:${tag}`));
  await waitUntil("the registry answers", async () => (await curl(bench, "/v2/")).status === "200");
  const path = "/v2/registry.test/test/kept";
  for (
    const [reference, digest, type] of [
      ["1", list.digest, list.mediaType],
      [list.digest, list.digest, list.mediaType],
      [made.manifest.digest, made.manifest.digest, made.manifest.mediaType],
      ["files", files.manifest.digest, files.manifest.mediaType],
    ]
  ) {
    const found = await curl(bench, `${path}/manifests/${reference}`);
    assertEquals([found.status, found.type, digestOf(found.body)], ["200", type, digest]);
  }
  for (const { digest } of [made.config, ...made.layers, files.config, ...files.layers]) {
    const found = await curl(bench, `${path}/blobs/${digest}`);
    assertEquals([found.status, digestOf(found.body)], ["200", digest]);
  }
  const stored = (await Array.fromAsync(Deno.readDir(`${(bench.daemon as Instance).root}/blobs`))).map(({ name }) =>
    name
  );
  assertEquals(stored.sort(), made.layers.map(({ digest }) => digest.slice(7)).sort());

  await bench.daemon.kill9();
  await bench.daemon.start();
  await waitUntil("the registry answers", async () => (await curl(bench, "/v2/")).status === "200");
  assertEquals(digestOf((await curl(bench, `${path}/manifests/1`)).body), list.digest);

  // A pull by the digest that the first registry had: only with the node's own manifest can it come from here.
  await withSecond(bench, "ca", async ({ client }) => {
    const name = bench.node.image(`test/kept@${list.digest}`);
    const { imageRef } = await client.pullImage({ image: { image: name } });
    const { image: found } = await client.imageStatus({ image: { image: name } });
    assertEquals([imageRef, found!.repoDigests], [made.config.digest, [name]]);
    const { imageRef: id } = await client.pullImage({ image: { image: bench.node.image("test/kept:files") } });
    assertEquals(id, files.manifest.digest);
  });
  for (const tag of ["1", "files"]) {
    await bench.client.removeImage({ image: { image: bench.node.image(`test/kept:${tag}`) } });
  }
  assertEquals((await Array.fromAsync(Deno.readDir(`${(bench.daemon as Instance).root}/blobs`))).length, 0);
  assertEquals(Number((await bench.client.imageFsInfo({})).imageFilesystems[0].usedBytes!.value), before);
}, alone);

test("serving over TLS: whoever does not know the authority, or speaks plain HTTP, gets nothing", async (bench) => {
  await waitUntil("the registry answers", async () => (await curl(bench, "/v2/")).status === "200");
  // 60: the peer's certificate cannot be trusted.
  assertEquals((await curl(bench, "/v2/", "other")).code, 60);
  assert((await curl(bench, "/v2/", "ca", "http")).code !== 0);
  await bench.node.registry.add("test/tls", "1", made);
  const name = bench.node.image("test/tls:1");
  await bench.pull(name);
  for (const authority of [undefined, "other"]) {
    await withSecond(bench, authority, async ({ client }) => {
      const { details } = await refused(client.pullImage({ image: { image: name } }));
      assertStringIncludes(details, HOST);
      assertStringIncludes(details, "certificate");
    });
  }
  await bench.client.removeImage({ image: { image: name } });
}, alone);
