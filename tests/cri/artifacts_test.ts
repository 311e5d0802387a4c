/** OCI artifacts: pulled, listed, mounted and removed as images are, and never run. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { NamespaceMode } from "../../proto/gen/runtime/v1/api.ts";
import { artifact, digestOf } from "../images/image.ts";
import { Code } from "../support/client.ts";
import { run } from "../support/command.ts";
import { Crictl } from "../support/crictl.ts";
import { assertRefused, refused, type Workbench } from "../support/pods.ts";
import { suite } from "../support/suite.ts";
import { tools } from "../support/tools.ts";

const { test } = suite();
const alone = { skiffOnly: "containerd has no artifacts" };

const TYPE = "application/vnd.example.model";
const weights = new Uint8Array(3_000_001).map((_, index) => index % 251);
const text = (content: string) => new TextEncoder().encode(content);

/** Puts one into the registry, and pulls it. */
async function pulled(bench: Workbench, tag: string, files = defaultFiles(tag)): Promise<{ name: string; id: string }> {
  const made = artifact(files, TYPE);
  await bench.node.registry.add("test/artifact", tag, made);
  const name = bench.node.image(`test/artifact:${tag}`);
  const id = await bench.pull(name);
  assertEquals(id, made.manifest.digest);
  return { name, id };
}

const defaultFiles = (mark: string) => [
  { title: "weights.bin", data: weights },
  { title: "docs/readme.md", data: text(`read me: ${mark}`) },
  { title: "bin/run", data: text("#!/bin/sh\necho no\n") },
  { data: text("no title") },
];
const volume = (image: string, part: Record<string, unknown> = {}) => ({
  containerPath: "/v",
  readonly: true,
  image: { image },
  ...part,
});
const used = async (bench: Workbench) =>
  Number((await bench.client.imageFsInfo({})).imageFilesystems[0].usedBytes!.value);

test("artifacts are listed, shown and counted, say what they are, and go", async (bench) => {
  const before = await used(bench);
  const { name, id } = await pulled(bench, "listed");
  assert(await used(bench) >= before + weights.length);
  const { images } = await bench.client.listImages({ filter: { image: { image: name } } });
  assertEquals(images.map((one) => [one.id, one.repoTags, one.pinned]), [[id, [name], false]]);
  assert(images[0].size >= weights.length);
  const { image, info } = await bench.client.imageStatus({ image: { image: id.slice(7, 19) }, verbose: true });
  assertEquals(image!.spec!.annotations, { "skiff/artifact-type": TYPE });
  const details = JSON.parse(info.info);
  assertEquals([details.artifactType, details.manifest.artifactType], [TYPE, TYPE]);
  assertEquals(details.files.map((file: { title: string }) => file.title), [
    "weights.bin",
    "docs/readme.md",
    "bin/run",
  ]);
  assertEquals(details.files[0].digest, digestOf(weights));

  const crictl = new Crictl(bench.daemon);
  assertEquals(await crictl.ask("images", "-q", name), id);
  assertStringIncludes(await crictl.ask("images"), "test/artifact");
  const list = await run(tools.skiff, ["image", "ls", "--socket", bench.daemon.socket]);
  assertEquals(/test\/artifact +listed .*artifact/.test(list), true, list);

  await bench.client.removeImage({ image: { image: name } });
  assertEquals((await bench.client.imageStatus({ image: { image: name } })).image, undefined);
  assertEquals(await used(bench), before);
}, alone);

test("artifacts as volumes: every file by its title, parts of them, read-only, not executable", async (bench) => {
  const { name, id } = await pulled(bench, "mounted");
  const container = await bench.run({
    mounts: [
      volume(name),
      volume(name, { containerPath: "/part", imageSubPath: "docs" }),
      volume(name, { containerPath: "/file", imageSubPath: "docs/readme.md" }),
    ],
  });
  assertEquals(await bench.sh(container, "cd /v; find . -type f | sort"), "./bin/run\n./docs/readme.md\n./weights.bin");
  assertEquals(await bench.sh(container, "sha256sum </v/weights.bin"), `${digestOf(weights).slice(7)}  -`);
  assertEquals(await bench.sh(container, "cat /part/readme.md; echo; cat /file"), "read me: mounted\nread me: mounted");
  assertStringIncludes((await bench.exec(container, ["touch", "/v/new"])).stderr, "Read-only file system");
  assertEquals((await bench.exec(container, ["sh", "-c", "/v/bin/run"])).exitCode, 126);
  assertEquals((await bench.status(container.id)).mounts.map((mount) => mount.image!.imageRef), [id, id, id]);
  await assertRefused(bench.client.removeImage({ image: { image: name } }), Code.FAILED_PRECONDITION, container.id);

  await bench.daemon.kill9();
  await bench.daemon.start();
  await assertRefused(bench.client.removeImage({ image: { image: name } }), Code.FAILED_PRECONDITION, container.id);
  assertEquals(await bench.sh(container, "cat /file"), "read me: mounted");
  await bench.remove(container.sandbox.id);
  await bench.client.removeImage({ image: { image: name } });
}, alone);

test("artifacts as volumes of a pod with a user namespace belong to its root", async (bench) => {
  const { name } = await pulled(bench, "mapped");
  const ids = [{ containerId: 0, hostId: 900_000, length: 65_536 }];
  const linux = {
    securityContext: {
      namespaceOptions: {
        pid: NamespaceMode.CONTAINER,
        usernsOptions: { mode: NamespaceMode.POD, uids: ids, gids: ids },
      },
    },
  };
  const sandbox = await bench.sandbox({ linux });
  const container = await bench.run(
    { linux, mounts: [volume(name, { uidMappings: ids, gidMappings: ids })] },
    sandbox,
  );
  assertEquals(await bench.sh(container, "stat -c %u:%g:%a /v/docs/readme.md"), "0:0:644");
  await bench.remove(sandbox.id);
  await bench.client.removeImage({ image: { image: name } });
}, alone);

test("artifacts are not run; those without files are not mounted; titles that lead out are refused", async (bench) => {
  const { name } = await pulled(bench, "run");
  const sandbox = await bench.sandbox();
  const before = await bench.node.snapshot();
  await assertRefused(
    bench.create(sandbox, { image: { image: name } }),
    Code.FAILED_PRECONDITION,
    name,
    "OCI artifact",
    TYPE,
  );
  const bare = await pulled(bench, "bare", [{ data: text("x") }] as ReturnType<typeof defaultFiles>);
  const error = await refused(bench.create(sandbox, { mounts: [volume(bare.name)] }));
  assert(error.details.startsWith("ImageVolumeMountFailed: "), error.details);
  assertStringIncludes(error.details, "org.opencontainers.image.title");
  assertEquals(await bench.node.leftSince(before), []);
  await bench.node.registry.add("test/artifact", "out", artifact([{ title: "../../../x", data: text("x") }], TYPE));
  await assertRefused(
    bench.pull(bench.node.image("test/artifact:out")),
    Code.FAILED_PRECONDITION,
    "../../../x",
    "leads out",
  );
  for (const image of [name, bare.name]) await bench.client.removeImage({ image: { image } });
}, alone);
