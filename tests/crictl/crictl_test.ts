/** Every verb that a person at a broken node types, in the order of a pod's life, with each OCI runtime. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Crictl } from "../support/crictl.ts";
import { onSkiff } from "../support/runtime_under_test.ts";
import { suite } from "../support/suite.ts";
import { life } from "./life.ts";

const { test } = suite({ images: [] });

test("crictl version, info", async ({ daemon }) => {
  const crictl = new Crictl(daemon);
  const version = await crictl.ask("version");
  assertMatch(version, onSkiff ? /RuntimeName: +skiff/ : /RuntimeName: +containerd/);
  assertMatch(version, /RuntimeApiVersion: +v1/);
  const info = JSON.parse(await crictl.ask("info"));
  const conditions = Object.fromEntries(info.status.conditions.map((one: any) => [one.type, one.status]));
  assertEquals(conditions.RuntimeReady, true);
  assertEquals(conditions.NetworkReady, true);
});

test("crictl pull, images, inspecti, imagefsinfo, rmi", async ({ daemon, node }) => {
  const crictl = new Crictl(daemon);
  const image = node.image("test/configured:1");
  const pulled = await crictl.ask("pull", image);
  assertMatch(pulled, /^Image is up to date for sha256:[0-9a-f]{64}$/);
  const imageId = pulled.split(" ").at(-1)!;

  const { images } = await crictl.json("images");
  const listed = images.find((one: any) => one.repoTags.includes(image));
  assertEquals(listed.id, imageId);
  assertEquals(listed.username, "app");
  assertEquals(listed.uid ?? null, null);
  assert(Number(listed.size) > 500_000, `size ${listed.size}`);
  assertMatch(listed.repoDigests[0], /^registry\.test\/test\/configured@sha256:[0-9a-f]{64}$/);
  assertEquals(await crictl.ask("images", "-q", image), imageId);
  assertMatch(await crictl.ask("images"), /registry\.test\/test\/configured +1 +[0-9a-f]{13} +\d/);

  const { status } = JSON.parse(await crictl.ask("inspecti", image));
  assertEquals(status.id, imageId);
  assertEquals(status.repoTags, [image]);
  assertEquals(JSON.parse(await crictl.ask("inspecti", imageId.slice(7, 20))).status.id, imageId);
  assertStringIncludes((await crictl.try("inspecti", node.image("test/nothing:1"))).stderr, "no such image");

  const { imageFilesystems: [filesystem] } = (await crictl.json("imagefsinfo")).status;
  assert(filesystem.fsId.mountpoint.startsWith("/"), filesystem.fsId.mountpoint);
  // The peer takes this figure only every ten seconds.
  if (onSkiff) assert(Number(filesystem.usedBytes.value) > 500_000, `used ${filesystem.usedBytes.value}`);

  assertStringIncludes(await crictl.ask("rmi", image), `Deleted: ${image}`);
  assertEquals(
    await crictl.ask("images", "-q"),
    onSkiff ? "" : await crictl.ask("images", "-q", node.image("test/pause:1")),
  );
});

test("crictl with runc: a pod's life", (bench) => life(bench, "runc"));
test("crictl with crun: a pod's life", (bench) => life(bench, "crun"), {
  skiffOnly: "it writes an ociVersion that Debian's crun 1.8.1 refuses",
});
