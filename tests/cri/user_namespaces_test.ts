import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { NamespaceMode } from "../../proto/gen/runtime/v1/api.ts";
import { Code } from "../support/client.ts";
import { sleep, tryRun } from "../support/command.ts";
import type { Instance } from "../support/instance.ts";
import { assertRefused, type Container, type Sandbox, type Workbench } from "../support/pods.ts";
import { stays, suite } from "../support/suite.ts";
import { tools } from "../support/tools.ts";

const { test } = suite({
  images: ["test/busybox:1", "test/configured:1"],
  daemon: { config: { runtimes: { "runc-release": { path: tools.runcRelease } } } },
});

const HANDLERS = ["runc-release", "crun", "runc"] as const;
const peerHasNone = { skiffOnly: "it is configured with one runtime" };

const mapping = (hostId: number, length = 65_536) => [{ containerId: 0, hostId, length }];

function usernsOptions(hostId: number, length?: number) {
  return { mode: NamespaceMode.POD, uids: mapping(hostId, length), gids: mapping(hostId, length) };
}

/** A pod with a user namespace of its own, and what its containers need in their requests. */
async function mappedPod(
  bench: Workbench,
  handler: string,
  hostId: number,
  options: { pid?: NamespaceMode; network?: NamespaceMode; sysctls?: Record<string, string> } = {},
): Promise<{ sandbox: Sandbox; linux: { securityContext: Record<string, unknown> } }> {
  const { pid = NamespaceMode.CONTAINER, network = NamespaceMode.POD, sysctls = {} } = options;
  const namespaceOptions = { pid, network, usernsOptions: usernsOptions(hostId) };
  const sandbox = await bench.sandbox({ linux: { sysctls, securityContext: { namespaceOptions } } }, handler);
  return { sandbox, linux: { securityContext: { namespaceOptions } } };
}

/** Names in a folder; none if it was never made. */
function namesIn(folder: string): string[] {
  try {
    return [...Deno.readDirSync(folder)].map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

async function hostOwner(bench: Workbench, container: Container): Promise<string> {
  const { info } = await bench.client.containerStatus({ containerId: container.id, verbose: true });
  const { pid } = JSON.parse(info.info);
  return (await tryRun("stat", ["-c", "%u:%g", `/proc/${pid}`])).stdout.trim();
}

for (const handler of HANDLERS) {
  test(
    `user namespaces with ${handler}: root inside is nobody outside, and owns all that is its own`,
    async (bench) => {
      const { sandbox, linux } = await mappedPod(bench, handler, 200_000, {
        sysctls: { "kernel.shm_rmid_forced": "1", "net.ipv4.ip_unprivileged_port_start": "80" },
      });
      const container = await bench.run({ linux }, sandbox);
      assertEquals(
        (await bench.sh(container, "cat /proc/self/uid_map /proc/self/gid_map")).replace(/ +/g, " "),
        [
          " 0 200000 65536",
          " 0 200000 65536",
        ].join("\n"),
      );
      assertEquals(await hostOwner(bench, container), "200000:200000");
      assertEquals(
        await bench.sh(container, "id -u; stat -c %u:%g / /bin /etc/hosts /etc/resolv.conf /dev/shm"),
        [
          "0",
          ...Array(5).fill("0:0"),
        ].join("\n"),
      );
      await bench.sh(
        container,
        "echo x >/bin/new && echo x >/dev/shm/new && echo '# x' >>/etc/hosts && chown 7:8 /bin/new",
      );
      const { info } = await bench.client.containerStatus({ containerId: container.id, verbose: true });
      const { uid, gid } = await Deno.stat(`${JSON.parse(info.info).upper}/bin/new`);
      assertEquals([uid, gid], [200_007, 200_008]);
      assertEquals(await bench.sh(container, "cat /proc/sys/kernel/shm_rmid_forced; hostname"), "1\ntest-pod");
      assertEquals(await bench.sh(container, "cat /proc/sys/net/ipv4/ip_unprivileged_port_start"), "80");
      assertStringIncludes((await bench.exec(container, ["hostname", "other"])).stderr, "not permitted");
      const status = (await bench.client.podSandboxStatus({ podSandboxId: sandbox.id })).status!;
      assertEquals(status.linux!.namespaces!.options!.usernsOptions!.uids, mapping(200_000));
    },
    peerHasNone,
  );

  test(`user namespaces with ${handler}: a shared PID namespace, and users other than root`, async (bench) => {
    const { sandbox, linux } = await mappedPod(bench, handler, 300_000, { pid: NamespaceMode.POD });
    const securityContext = { ...linux.securityContext, runAsUser: { value: 1000n } };
    const container = await bench.run({ linux: { securityContext } }, sandbox);
    assertStringIncludes(await bench.sh(container, "ps -o args"), "/pause");
    assertEquals(await bench.sh(container, "id -u"), "1000");
    assertEquals(await hostOwner(bench, container), "301000:301001");
    await assertRefused(
      bench.create(sandbox, {
        metadata: { name: "beyond" },
        linux: { securityContext: { ...linux.securityContext, runAsUser: { value: 65_536n } } },
      }),
      Code.INVALID_ARGUMENT,
      "65536",
      "user namespace",
    );
  }, peerHasNone);

  test(`user namespaces with ${handler}: on the node's network /sys is the node's, read-only`, async (bench) => {
    const { sandbox, linux } = await mappedPod(bench, handler, 400_000, { network: NamespaceMode.NODE });
    const container = await bench.run({ linux }, sandbox);
    assertEquals((await bench.sh(container, "cat /proc/self/uid_map")).trim().replace(/ +/g, " "), "0 400000 65536");
    assertStringIncludes(await bench.sh(container, "ls /sys/class/net"), "lo");
    assertStringIncludes(
      (await bench.exec(container, ["sh", "-c", "echo 1 >/sys/kernel/uevent_seqnum"])).stderr,
      "an't",
    );
    assertStringIncludes(await bench.sh(container, "ls /sys/fs/cgroup"), "memory");
    assertStringIncludes(
      (await bench.exec(container, ["mkdir", "/sys/fs/cgroup/memory/x"])).stderr,
      "Read-only file system",
    );
  }, peerHasNone);

  test(
    `user namespaces with ${handler}: output can be opened by its path, as images of web servers do`,
    async (bench) => {
      const { sandbox, linux } = await mappedPod(bench, handler, 500_000);
      const { lines } = await bench.runScript(
        "echo through the path >/dev/stdout; echo err >/dev/stderr",
        { linux },
        sandbox,
      );
      assertEquals(lines.map(({ stream, text }) => `${stream} ${text}`).sort(), [
        "stderr err",
        "stdout through the path",
      ]);
      const container = await bench.run({ linux, metadata: { name: "exec" } }, sandbox);
      const command = ["sh", "-c", "echo out >/dev/stdout; echo err >/dev/stderr; exit 4"];
      assertEquals(await bench.exec(container, command), { stdout: "out\n", stderr: "err\n", exitCode: 4 });
    },
    peerHasNone,
  );

  test(`user namespaces with ${handler}: a volume whose IDs the request maps`, async (bench) => {
    const { sandbox, linux } = await mappedPod(bench, handler, 600_000);
    const hostPath = `${bench.node.dir}/volumes/${bench.prefix}`;
    await Deno.mkdir(hostPath, { recursive: true });
    await Deno.chown(hostPath, 5, 6);
    const maps = { uidMappings: mapping(600_000), gidMappings: mapping(600_000) };
    const created = bench.run({ linux, mounts: [{ containerPath: "/v", hostPath, ...maps }] }, sandbox);
    if (handler === "runc") return await assertRefused(created, Code.FAILED_PRECONDITION, "/v", "runc 1.2");
    const container = await created;
    assertEquals(await bench.sh(container, "stat -c %u:%g /v; echo x >/v/new; stat -c %u:%g /v/new"), "5:6\n0:0");
    assertEquals((await Deno.stat(`${hostPath}/new`)).uid, 0);
  }, peerHasNone);

  test(`user namespaces with ${handler}: stop, remove and restart leave nothing and lose nothing`, async (bench) => {
    const before = await bench.node.snapshot();
    const { state } = bench.daemon as Instance;
    const { sandbox, linux } = await mappedPod(bench, handler, 700_000);
    const container = await bench.run({ linux }, sandbox);
    assertEquals((Deno.statSync(state).mode! & 0o777).toString(8), "710");
    await bench.daemon.kill9();
    await bench.daemon.start();
    assertEquals(await bench.sh(container, "echo kept >/kept; cat /kept"), "kept");
    await bench.run({ linux, metadata: { name: "second" } }, sandbox);
    await bench.remove(sandbox.id);
    assertEquals(await bench.node.leftSince(before), []);
    assertEquals((Deno.statSync(state).mode! & 0o777).toString(8), "700");
    assertEquals([...Deno.readDirSync(`${state}/ns`)], []);
  }, peerHasNone);
}

test("user namespaces: requests that no runtime could carry out are refused by field", async (bench) => {
  const attempt = (options: Record<string, unknown>, more: Record<string, unknown> = {}) =>
    bench.sandbox({ linux: { securityContext: { namespaceOptions: { usernsOptions: options as never, ...more } } } });
  const good = usernsOptions(100_000);
  const refusals: [Record<string, unknown>, Record<string, unknown>, string][] = [
    [{ ...good, uids: [...good.uids, ...good.uids] }, {}, "uids"],
    [{ ...good, gids: [] }, {}, "gids"],
    [{ ...good, uids: [{ containerId: 1, hostId: 1000, length: 10 }] }, {}, "begin at 0"],
    [{ ...good, uids: mapping(2 ** 32 - 10, 100) }, {}, "range"],
    [{ mode: NamespaceMode.CONTAINER }, {}, "POD or NODE"],
    [{ mode: NamespaceMode.TARGET }, {}, "POD or NODE"],
    [good, { ipc: NamespaceMode.NODE }, "IPC"],
    [good, { pid: NamespaceMode.NODE }, "PID"],
  ];
  for (const [options, more, word] of refusals) {
    await assertRefused(attempt(options, more), Code.INVALID_ARGUMENT, "userns_options", word);
  }
  const { sandbox } = await mappedPod(bench, "", 100_000);
  const other = { namespaceOptions: { pid: NamespaceMode.CONTAINER, usernsOptions: usernsOptions(110_000) } };
  await assertRefused(
    bench.create(sandbox, { linux: { securityContext: other } }),
    Code.INVALID_ARGUMENT,
    "not those of the pod",
  );
});

test("user namespaces: kill -9 while a pod and a container with a volume are made leaves nothing", async (bench) => {
  const { state } = bench.daemon as Instance;
  const before = await bench.node.snapshot();
  const image = bench.node.image("test/configured:1");
  for (let round = 0; round < 8; round++) {
    const work = (async () => {
      const { sandbox, linux } = await mappedPod(bench, "crun", 800_000, { pid: NamespaceMode.POD });
      const mounts = [{ containerPath: "/v", readonly: true, image: { image }, imageSubPath: "etc" }];
      await bench.create(sandbox, { linux, mounts });
    })().catch(() => undefined);
    await sleep(round * 40);
    await bench.daemon.kill9();
    await work;
    await bench.daemon.start();
    for (const { id } of (await bench.client.listPodSandbox({})).items) await bench.remove(id);
  }
  assertEquals((await bench.node.leftSince(before)).filter((line) => !stays.test(line)), []);
  for (const folder of ["ns", "idmapped", "rootfs", "sandboxes", "containers", "layers"]) {
    assertEquals(namesIn(`${state}/${folder}`), [], folder);
  }
  assertEquals((Deno.statSync(state).mode! & 0o777).toString(8), "700");
});

test("user namespaces: Status says which runtime has what", async (bench) => {
  const { runtimeHandlers, features } = await bench.client.status({});
  const shown = Object.fromEntries(
    runtimeHandlers.map(({ name, features }) => [name, [features!.userNamespaces, features!.recursiveReadOnlyMounts]]),
  );
  assertEquals(shown, {
    "": [false, true],
    runc: [false, true],
    crun: [true, true],
    "runc-release": [true, true],
  });
  assert(features!.userNamespacesHostNetwork && features!.mountOptions);
}, peerHasNone);
