import { assertEquals, assertNotEquals, assertStringIncludes } from "@std/assert";
import { MountPropagation } from "../../proto/gen/runtime/v1/api.ts";
import { Code } from "../support/client.ts";
import { assertRefused, type Workbench } from "../support/pods.ts";
import { suite } from "../support/suite.ts";

const { test } = suite();

async function volume(bench: Workbench, name: string): Promise<string> {
  const path = `${bench.node.dir}/volumes/${bench.prefix}-${name}`;
  await Deno.mkdir(path, { recursive: true });
  return path;
}

test("mounts: a writable and a read-only directory, a single file, and a path that the image hasn't", async (bench) => {
  const [rw, ro] = [await volume(bench, "rw"), await volume(bench, "ro")];
  await Deno.writeTextFile(`${ro}/file`, "from the host");
  const container = await bench.run({
    mounts: [
      { containerPath: "/made/on/the/way/rw", hostPath: rw },
      { containerPath: "/ro", hostPath: ro, readonly: true },
      { containerPath: "/etc/passwd", hostPath: `${ro}/file` },
    ],
  });
  await bench.sh(container, "echo inside >/made/on/the/way/rw/file");
  assertEquals(await Deno.readTextFile(`${rw}/file`), "inside\n");
  assertEquals(await bench.sh(container, "cat /ro/file /etc/passwd"), "from the hostfrom the host");
  assertStringIncludes((await bench.exec(container, ["touch", "/ro/x"])).stderr, "Read-only file system");
});

test("mounts: one inside another, whatever their order in the request", async (bench) => {
  const [outer, inner] = [await volume(bench, "outer"), await volume(bench, "inner")];
  await Deno.mkdir(`${outer}/sub`);
  await Deno.writeTextFile(`${inner}/file`, "inner");
  const container = await bench.run({
    mounts: [{ containerPath: "/a/sub", hostPath: inner }, { containerPath: "/a", hostPath: outer }],
  });
  assertEquals(await bench.sh(container, "cat /a/sub/file"), "inner");
});

test("mounts: a symbolic link on the host is followed there, one in the image stays in the image", async (bench) => {
  const target = await volume(bench, "target");
  await Deno.writeTextFile(`${target}/file`, "behind the link");
  const link = `${target}-link`;
  await Deno.symlink(target, link);
  const container = await bench.run({ mounts: [{ containerPath: "/data", hostPath: link }] });
  assertEquals(await bench.sh(container, "cat /data/file"), "behind the link");
});

test("mounts: propagation reaches in, out, or neither", async (bench) => {
  const [shared, own] = [await volume(bench, "shared"), await volume(bench, "private")];
  // The node's mounts are private: only a shared one propagates.
  await bench.node.holder.run(
    "sh",
    "-c",
    `mount --bind ${shared} ${shared} && mount --make-shared ${shared} && mkdir -p ${shared}/late`,
  );
  try {
    const securityContext = { privileged: true };
    const sandbox = await bench.sandbox({ linux: { securityContext } });
    const mounts = (propagation: MountPropagation) => [{ containerPath: "/v", hostPath: shared, propagation }];
    const both = await bench.run({
      metadata: { name: "both" },
      mounts: mounts(MountPropagation.PROPAGATION_BIDIRECTIONAL),
      linux: { securityContext },
    }, sandbox);
    const inward = await bench.run({
      metadata: { name: "inward" },
      mounts: mounts(MountPropagation.PROPAGATION_HOST_TO_CONTAINER),
    }, sandbox);
    const none = await bench.run(
      { metadata: { name: "none" }, mounts: mounts(MountPropagation.PROPAGATION_PRIVATE) },
      sandbox,
    );
    await bench.sh(both, "mount -t tmpfs late /v/late && echo seen >/v/late/file");
    assertEquals(await bench.node.holder.run("cat", `${shared}/late/file`), "seen\n");
    assertEquals(await bench.sh(inward, "cat /v/late/file"), "seen");
    assertNotEquals((await bench.exec(none, ["cat", "/v/late/file"])).exitCode, 0);
    await assertRefused(
      bench.create(sandbox, {
        metadata: { name: "refused" },
        mounts: [{ containerPath: "/v", hostPath: own, propagation: MountPropagation.PROPAGATION_BIDIRECTIONAL }],
        linux: { securityContext },
      }),
      [Code.INVALID_ARGUMENT, Code.FAILED_PRECONDITION],
      own,
      "shared",
    );
  } finally {
    await bench.node.holder.run("sh", "-c", `umount -l ${shared}/late 2>/dev/null; umount -l ${shared}`);
  }
});

test("mounts: recursive read-only needs read-only and reaches what is mounted below", async (bench) => {
  const top = await volume(bench, "rro");
  await bench.node.holder.run("sh", "-c", `mkdir -p ${top}/sub && mount -t tmpfs below ${top}/sub`);
  try {
    const mount = { containerPath: "/v", hostPath: top, recursiveReadOnly: true };
    const sandbox = await bench.sandbox();
    await assertRefused(bench.create(sandbox, { mounts: [mount] }), Code.INVALID_ARGUMENT, "recursive_read_only");
    const container = await bench.run({ metadata: { name: "rro" }, mounts: [{ ...mount, readonly: true }] }, sandbox);
    assertStringIncludes((await bench.exec(container, ["touch", "/v/sub/x"])).stderr, "Read-only file system");
  } finally {
    await bench.node.holder.run("umount", "-l", `${top}/sub`);
  }
});

test("mounts: what stays mounted on the host after the container is gone is nothing", async (bench) => {
  const path = await volume(bench, "gone");
  const before = await bench.node.snapshot();
  const container = await bench.run({ mounts: [{ containerPath: "/v", hostPath: path }] });
  await bench.remove(container.sandbox.id);
  assertEquals(
    (await bench.node.leftSince(before)).filter((line) => line.startsWith("mount: ") && line.includes("volumes")),
    [],
  );
});

test("mounts: names that lead nowhere are refused by field", async (bench) => {
  const sandbox = await bench.sandbox();
  const path = await volume(bench, "fine");
  const attempt = (mount: Record<string, unknown>) => bench.create(sandbox, { mounts: [mount] });
  await assertRefused(attempt({ containerPath: "", hostPath: path }), Code.INVALID_ARGUMENT, "container_path");
  await assertRefused(attempt({ containerPath: "/v", hostPath: "" }), Code.INVALID_ARGUMENT, "host_path");
  await assertRefused(attempt({ containerPath: "/v\0x", hostPath: path }), Code.INVALID_ARGUMENT, "container_path");
});

test("mounts: a container path of dots ends inside the container", async (bench) => {
  const path = await volume(bench, "dots");
  await Deno.writeTextFile(`${path}/file`, "dots");
  const attempt = bench.run({ mounts: [{ containerPath: "/tmp/../../../../v", hostPath: path }] });
  const container = await attempt.catch(() => undefined);
  if (container) assertEquals(await bench.sh(container, "cat /v/file"), "dots");
});
