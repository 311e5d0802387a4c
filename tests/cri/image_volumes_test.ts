import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { NamespaceMode } from "../../proto/gen/runtime/v1/api.ts";
import { Code } from "../support/client.ts";
import { assertRefused, type Workbench } from "../support/pods.ts";
import { suite } from "../support/suite.ts";
import { tools } from "../support/tools.ts";

const { test } = suite({
  images: ["test/busybox:1", "test/configured:1"],
  daemon: { config: { runtimes: { "runc-release": { path: tools.runcRelease } } } },
});

const HANDLERS = ["runc-release", "crun", "runc"];
const peerDiffers = { skiffOnly: "it is configured with one runtime, and says other words" };

const volumeOf = (image: string, part: Record<string, unknown> = {}) => ({
  containerPath: "/v",
  readonly: true,
  image: { image },
  ...part,
});
const configured = (bench: Workbench) => bench.node.image("test/configured:1");

for (const handler of HANDLERS) {
  test(`image volumes with ${handler}: all of an image and parts of it, read-only`, async (bench) => {
    const sandbox = await bench.sandbox({}, handler);
    const image = configured(bench);
    const container = await bench.run({
      mounts: [
        volumeOf(image),
        volumeOf(image, { containerPath: "/etc-of-it", imageSubPath: "etc" }),
        volumeOf(image, { containerPath: "/passwd-of-it", imageSubPath: "etc/passwd" }),
        volumeOf(image, { containerPath: "/still", mountOptions: ["noexec"] }),
      ],
    }, sandbox);
    const passwd = await bench.sh(container, "cat /v/etc/passwd");
    assertStringIncludes(passwd, "app");
    assertEquals(await bench.sh(container, "cat /etc-of-it/passwd"), passwd);
    assertEquals(await bench.sh(container, "cat /passwd-of-it"), passwd);
    assertStringIncludes((await bench.exec(container, ["touch", "/v/x"])).stderr, "Read-only file system");
    assertEquals(await bench.sh(container, "/v/bin/sh -c 'echo it runs'"), "it runs");
    assertEquals((await bench.exec(container, ["sh", "-c", "/still/bin/sh -c true"])).exitCode, 126);

    const id = (await bench.client.imageStatus({ image: { image } })).image!.id;
    const { mounts } = await bench.status(container.id);
    assertEquals(mounts.map((mount) => mount.image!.imageRef), Array(4).fill(id));
    assertEquals(mounts[1].imageSubPath, "etc");
  }, peerDiffers);

  test(`image volumes with ${handler}: in a pod with a user namespace its root owns the files`, async (bench) => {
    const ids = [{ containerId: 0, hostId: 900_000, length: 65_536 }];
    const namespaceOptions = {
      pid: NamespaceMode.CONTAINER,
      usernsOptions: { mode: NamespaceMode.POD, uids: ids, gids: ids },
    };
    const linux = { securityContext: { namespaceOptions } };
    const sandbox = await bench.sandbox({ linux }, handler);
    const mounts = [volumeOf(configured(bench), { imageSubPath: "etc", uidMappings: ids, gidMappings: ids })];
    const container = await bench.run({ linux, mounts }, sandbox);
    assertEquals(await bench.sh(container, "stat -c %u:%g /v /v/passwd"), "0:0\n0:0");
  }, peerDiffers);
}

test(
  "image volumes: what is not there, and what cannot be, is refused with the kubelet's word in front",
  async (bench) => {
    const sandbox = await bench.sandbox();
    const image = configured(bench);
    const attempt = (part: Record<string, unknown>, name = image) =>
      bench.create(sandbox, { mounts: [volumeOf(name, part)] });
    const before = await bench.node.snapshot();
    const missing = await attempt({}, "registry.test/not/pulled:1").catch((error) => error);
    assertEquals([missing.code, missing.details.startsWith("ImageVolumeMountFailed: ")], [Code.NOT_FOUND, true]);
    const absent = await attempt({ imageSubPath: "no/such" }).catch((error) => error);
    assertEquals([absent.code, absent.details.startsWith("ImageVolumeMountFailed: ")], [Code.NOT_FOUND, true]);
    await assertRefused(attempt({ readonly: false }), Code.INVALID_ARGUMENT, "ImageVolumeMountFailed", "readonly");
    await assertRefused(attempt({ imageSubPath: "../../etc" }), Code.INVALID_ARGUMENT, "image_sub_path");
    await assertRefused(attempt({ mountOptions: ["exec"] }), Code.INVALID_ARGUMENT, "exec");
    assertEquals(await bench.node.leftSince(before), []);
  },
  peerDiffers,
);

test(
  "image volumes: an image in use cannot be removed, also after a crash; all goes with the container",
  async (bench) => {
    const image = configured(bench);
    const before = await bench.node.snapshot();
    const container = await bench.run({
      mounts: [volumeOf(image), volumeOf(image, { containerPath: "/w", imageSubPath: "etc" })],
    });
    await bench.daemon.kill9();
    await bench.daemon.start();
    await assertRefused(bench.client.removeImage({ image: { image } }), Code.FAILED_PRECONDITION, container.id);
    assertStringIncludes(await bench.sh(container, "cat /w/passwd"), "app");
    await bench.remove(container.sandbox.id);
    assertEquals(await bench.node.leftSince(before), []);
    await bench.client.removeImage({ image: { image } });
    assert(!(await bench.client.imageStatus({ image: { image } })).image);
    await bench.pull(image);
  },
  peerDiffers,
);

test("mount options: noexec, nodev and nosuid are in force, others refused", async (bench) => {
  const hostPath = `${bench.node.dir}/volumes/${bench.prefix}`;
  await Deno.mkdir(hostPath, { recursive: true });
  const mount = { containerPath: "/v", hostPath };
  const sandbox = await bench.sandbox();
  const container = await bench.run({ mounts: [{ ...mount, mountOptions: ["noexec", "nodev", "nosuid"] }] }, sandbox);
  const flags = (await bench.sh(container, "grep ' /v ' /proc/self/mountinfo")).split(" ")[5].split(",");
  for (const flag of ["rw", "noexec", "nodev", "nosuid"]) assert(flags.includes(flag), `${flag} in ${flags}`);
  await bench.sh(container, "cp /bin/true /v/true 2>/dev/null || cp /bin/busybox /v/true; chmod 755 /v/true");
  assertEquals((await bench.exec(container, ["sh", "-c", "/v/true"])).exitCode, 126);
  await assertRefused(
    bench.create(sandbox, { metadata: { name: "other" }, mounts: [{ ...mount, mountOptions: ["suid"] }] }),
    Code.INVALID_ARGUMENT,
    "suid",
  );
}, { skiffOnly: "it does not know them" });
