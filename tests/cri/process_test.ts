/** What a container's process finds itself to be: arguments, environment, user, rights, limits. */
import { assert, assertEquals, assertMatch, assertNotEquals, assertStringIncludes } from "@std/assert";
import { NamespaceMode, SupplementalGroupsPolicy } from "../../proto/gen/runtime/v1/api.ts";
import { Code } from "../support/client.ts";
import { assertRefused, env, readLog, type Workbench } from "../support/pods.ts";
import { suite } from "../support/suite.ts";
import { exists } from "../support/tools.ts";

const { test } = suite({
  images: ["test/busybox:1", "test/busybox:2", "test/configured:1", "test/uid:1", "test/uid-gid:1", "test/username:1"],
});

const image = (bench: Workbench, name: string) => ({ image: bench.node.image(name) });
type Part = Parameters<Workbench["create"]>[1];

/** Output of a shell script run as a container of its own, without the last newline. */
async function output(bench: Workbench, script: string, part: Part = {}): Promise<string> {
  const { lines, status } = await bench.runScript(script, part);
  assertEquals(status.exitCode, 0, `${script}: ${JSON.stringify(lines)}`);
  return lines.map((line) => line.text).join("\n");
}

async function logOf(bench: Workbench, part: Part): Promise<string[]> {
  const container = await bench.run(part);
  await bench.exited(container.id);
  return readLog(container.log).map((line) => line.text);
}

test("command and args: the image's entrypoint and cmd, each replaced as the CRI says", async (bench) => {
  const configured = image(bench, "test/configured:1");
  assertEquals((await logOf(bench, { image: configured, command: [], args: [] }))[0], "entrypoint from cmd");
  assertEquals(
    (await logOf(bench, { image: configured, command: [], args: ["own", "args"] }))[0],
    "entrypoint own args",
  );
  assertEquals(await logOf(bench, { image: configured, command: ["echo", "only"], args: [] }), ["only"]);
  assertEquals(await logOf(bench, { image: configured, command: ["echo"], args: ["a b", "c"] }), ["a b c"]);
});

test("environment: the request's values win over the image's", async (bench) => {
  const part = {
    image: image(bench, "test/configured:1"),
    envs: env({ OVERRIDDEN: "request", EMPTY: "", MULTI: "two\nlines", NAMED: "a=b=c" }),
  };
  const lines = (await output(bench, "env -0 | tr '\\n\\0' '|\\n'", part)).split("\n");
  for (
    const expected of [
      "FROM_IMAGE=image",
      "OVERRIDDEN=request",
      "EMPTY=",
      "MULTI=two|lines",
      "NAMED=a=b=c",
      "HOME=/home/app",
    ]
  ) {
    assert(lines.includes(expected), `${expected} is not in ${JSON.stringify(lines)}`);
  }
  const raw = { envs: [{ key: "RAW", value: new Uint8Array([0xff, 0xfe, 0x41]) }] };
  // JSON has no way to say these bytes, so config.json cannot carry them.
  await assertRefused(bench.create(await bench.sandbox(), raw), Code.INVALID_ARGUMENT, "RAW", "UTF-8");
});

test("environment of one container is not that of another with the same image (CVE-2021-21334)", async (bench) => {
  const sandbox = await bench.sandbox();
  const first = await bench.run({ envs: env({ SECRET: "mine" }) }, sandbox);
  const second = await bench.run({ metadata: { name: "second" } }, sandbox);
  assertStringIncludes(await bench.sh(first, "env"), "SECRET=mine");
  assert(!(await bench.sh(second, "env")).includes("SECRET"));
});

test("HOSTNAME and the hostname are the pod's", async (bench) => {
  assertEquals(await output(bench, 'hostname; echo "$HOSTNAME"; cat /etc/hostname'), "test-pod\ntest-pod\ntest-pod");
});

test("working directory: the image's, the request's, and one that isn't there yet", async (bench) => {
  assertEquals(await output(bench, "pwd", { image: image(bench, "test/configured:1") }), "/srv/work");
  assertEquals(await output(bench, "pwd", { workingDir: "/tmp" }), "/tmp");
  assertEquals(await output(bench, "pwd", { workingDir: "/made/for/it" }), "/made/for/it");
});

test("user: the image's USER in every form", async (bench) => {
  assertEquals(await output(bench, "id -u; id -g", { image: image(bench, "test/uid:1") }), "1002\n0");
  assertEquals(await output(bench, "id -u; id -g", { image: image(bench, "test/uid-gid:1") }), "1003\n1004");
  assertEquals(await output(bench, "id -u; id -g", { image: image(bench, "test/username:1") }), "33\n33");
  assertEquals(await output(bench, "id -u; id -g", { image: image(bench, "test/configured:1") }), "1000\n1001");
  const { image: found } = await bench.client.imageStatus({ image: image(bench, "test/uid:1") });
  assertEquals([found!.uid?.value, found!.username], [1002n, ""]);
});

test("user: the request's number and name win over the image's", async (bench) => {
  const as = (securityContext: any) => ({ image: image(bench, "test/configured:1"), linux: { securityContext } });
  assertEquals(await output(bench, "id -u; id -g", as({ runAsUser: { value: 33n } })), "33\n33");
  assertEquals(await output(bench, "id -u; id -g", as({ runAsUsername: "nobody" })), "65534\n65534");
  assertEquals(
    await output(bench, "id -u; id -g", as({ runAsUser: { value: 7n }, runAsGroup: { value: 8n } })),
    "7\n8",
  );
  await assertRefused(
    bench.create(await bench.sandbox(), as({ runAsUsername: "nobodyknows" })),
    Code.INVALID_ARGUMENT,
    "nobodyknows",
  );
  await assertRefused(
    bench.create(await bench.sandbox(), as({ runAsGroup: { value: 8n } })),
    Code.INVALID_ARGUMENT,
    "run_as_group",
  );
});

test("groups are exactly what the policy says, the primary one among them (CVE-2022-2995, CVE-2023-25173)", async (bench) => {
  const groups = async (policy: SupplementalGroupsPolicy) =>
    (await output(bench, "id -G", {
      image: image(bench, "test/configured:1"),
      linux: {
        securityContext: { runAsUser: { value: 1000n }, supplementalGroups: [1234n], supplementalGroupsPolicy: policy },
      },
    })).split(" ").map(Number).sort((a, b) => a - b);
  assertEquals(await groups(SupplementalGroupsPolicy.Merge), [1001, 1234, 50000]);
  assertEquals(await groups(SupplementalGroupsPolicy.Strict), [1001, 1234]);
});

test("capabilities: root has the default set, its inheritable set is empty (CVE-2022-27652, CVE-2022-24769)", async (bench) => {
  const sets = parse(await output(bench, "grep Cap /proc/self/status"));
  assertEquals(sets.CapInh, 0n);
  assertEquals(sets.CapAmb, 0n);
  assertNotEquals(sets.CapEff, 0n);
  assertEquals(sets.CapEff & (1n << 21n), 0n, "CAP_SYS_ADMIN by default");
});

test("capabilities: a user other than root has none (CVE-2018-1000400)", async (bench) => {
  const sets = parse(
    await output(bench, "grep Cap /proc/self/status", { linux: { securityContext: { runAsUser: { value: 1000n } } } }),
  );
  assertEquals([sets.CapInh, sets.CapPrm, sets.CapEff, sets.CapAmb], [0n, 0n, 0n, 0n]);
});

test("capabilities: add, drop, ALL, and names that don't exist", async (bench) => {
  const with_ = (addCapabilities: string[], dropCapabilities: string[]) => ({
    linux: { securityContext: { capabilities: { addCapabilities, dropCapabilities } } },
  });
  const effective = async (part: Part) => parse(await output(bench, "grep Cap /proc/self/status", part)).CapEff;
  assertEquals(await effective(with_([], ["ALL"])), 0n);
  assertEquals(await effective(with_(["NET_ADMIN"], ["ALL"])), 1n << 12n);
  assertEquals(await effective(with_(["ALL"], [])), hostBounding());
  assertEquals((await effective(with_([], ["CHOWN"]))) & 1n, 0n);
  await assertRefused(bench.create(await bench.sandbox(), with_(["NO_SUCH"], [])), Code.INVALID_ARGUMENT, "NO_SUCH");
});

test("privileged: every capability this node has, its devices, nothing masked", async (bench) => {
  const securityContext = { privileged: true };
  const sandbox = await bench.sandbox({ linux: { securityContext } });
  const container = await bench.run({ linux: { securityContext } }, sandbox);
  assertEquals(parse(await bench.sh(container, "grep Cap /proc/self/status")).CapEff, hostBounding());
  assertEquals(
    await bench.sh(
      container,
      "ls -d /dev/loop-control; head -c 1 /proc/timer_list | wc -c; mkdir /sys/fs/cgroup/x 2>/dev/null; grep -c ' /sys .*ro,' /proc/mounts || true",
    ),
    "/dev/loop-control\n1\n0",
  );
});

test("privileged: refused in a pod that isn't", async (bench) => {
  await assertRefused(
    bench.create(await bench.sandbox(), { linux: { securityContext: { privileged: true } } }),
    Code.INVALID_ARGUMENT,
    "privileged",
  );
});

test("no_new_privs", async (bench) => {
  const flag = async (noNewPrivs: boolean) =>
    await output(bench, "grep NoNewPrivs /proc/self/status | tr -d '\\t '", {
      linux: { securityContext: { noNewPrivs } },
    });
  assertEquals(await flag(true), "NoNewPrivs:1");
  assertEquals(await flag(false), "NoNewPrivs:0");
});

test("masked and read-only paths hide and guard what the request lists", async (bench) => {
  const container = await bench.run({
    linux: {
      securityContext: { maskedPaths: ["/proc/kcore", "/etc/group", "/var/lib"], readonlyPaths: ["/proc/sys"] },
    },
  });
  assertEquals(await bench.sh(container, "cat /etc/group /proc/kcore | wc -c; ls /var/lib | wc -l"), "0\n0");
  assertNotEquals((await bench.exec(container, ["sh", "-c", "touch /var/lib/x"])).exitCode, 0);
  const { stderr, exitCode } = await bench.exec(container, ["sh", "-c", "echo 1 >/proc/sys/kernel/domainname"]);
  assertNotEquals(exitCode, 0);
  assertStringIncludes(stderr, "Read-only file system");
});

test("read-only root: nothing can be written but what is mounted", async (bench) => {
  const container = await bench.run({ linux: { securityContext: { readonlyRootfs: true } } });
  assertStringIncludes((await bench.exec(container, ["touch", "/x"])).stderr, "Read-only file system");
  assertEquals(await bench.sh(container, "touch /dev/shm/x && echo ok"), "ok");
});

test("writable root: two containers of one image don't see each other's files", async (bench) => {
  const sandbox = await bench.sandbox();
  const first = await bench.run({}, sandbox);
  const second = await bench.run({ metadata: { name: "second" } }, sandbox);
  await bench.sh(first, "echo mine >/tmp/file; rm /etc/shadow");
  assertEquals(await bench.sh(second, "ls /tmp/file /etc/shadow 2>/dev/null || true"), "/etc/shadow");
});

test("the root directory has the mode of the image's, /tmp and /root too", async (bench) => {
  assertEquals(await output(bench, "stat -c '%a %u' / /tmp /root /home/app"), "755 0\n1777 0\n700 0\n755 1000");
});

test("/dev has the standard nodes and links", async (bench) => {
  const container = await bench.run();
  const script =
    "for n in null zero full random urandom tty; do [ -c /dev/$n ] || echo no $n; done; for n in fd stdin stdout stderr ptmx; do readlink /dev/$n; done; grep -c ' /dev/shm tmpfs' /proc/mounts";
  assertEquals(
    await bench.sh(container, script),
    "/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\npts/ptmx\n1",
  );
});

test("devices of the request are there, with the rights that it gives", async (bench) => {
  const container = await bench.run({
    devices: [{ containerPath: "/dev/my-null", hostPath: "/dev/null", permissions: "r" }],
  });
  assertEquals(await bench.sh(container, "[ -c /dev/my-null ] && cat /dev/my-null | wc -c"), "0");
  await assertRefused(
    bench.create(container.sandbox, {
      metadata: { name: "second" },
      devices: [{ containerPath: "/dev/x", hostPath: "/dev/no-such", permissions: "rw" }],
    }),
    [Code.INVALID_ARGUMENT, Code.NOT_FOUND],
    "/dev/no-such",
  );
});

test("cgroup limits of the request are in force", async (bench) => {
  const v2 = exists("/sys/fs/cgroup/cgroup.controllers");
  const container = await bench.run({
    linux: { resources: { memoryLimitInBytes: 48n << 20n, cpuShares: 256n, cpuQuota: 20_000n, cpuPeriod: 100_000n } },
  });
  const find = (controller: string, file: string) =>
    bench.node.podCgroups().filter((dir) =>
      (v2 || dir.startsWith(`/sys/fs/cgroup/${controller}/`)) && dir.includes(container.id)
    ).map((dir) => Deno.readTextFileSync(`${dir}/${file}`).trim()).at(0);
  const limits = () =>
    v2
      ? [find("memory", "memory.max"), find("cpu", "cpu.weight"), find("cpu", "cpu.max")]
      : [find("memory", "memory.limit_in_bytes"), find("cpu", "cpu.shares"), find("cpu", "cpu.cfs_quota_us")];
  assertEquals(limits(), v2 ? [String(48 << 20), "10", "20000 100000"] : [String(48 << 20), "256", "20000"]);
  await bench.client.updateContainerResources({
    containerId: container.id,
    linux: { memoryLimitInBytes: 64n << 20n, cpuShares: 512n },
  });
  assertEquals(limits(), v2 ? [String(64 << 20), "20", "20000 100000"] : [String(64 << 20), "512", "20000"]);
  assertEquals((await bench.status(container.id)).resources?.linux?.memoryLimitInBytes, 64n << 20n);
});

test("oom_score_adj is the request's, or as low as this node may go", async (bench) => {
  const adjusted = async (oomScoreAdj: bigint) =>
    Number(await output(bench, "cat /proc/self/oom_score_adj", { linux: { resources: { oomScoreAdj } } }));
  assertEquals(await adjusted(500n), 500);
  const own = Number(Deno.readTextFileSync("/proc/self/oom_score_adj"));
  assert((await adjusted(-998n)) <= own, "a guaranteed pod gets more than the daemon's own");
});

test("limits of a controller that isn't mounted are left out, not refused", async (bench) => {
  assertEquals(
    await output(bench, "echo ok", {
      linux: { resources: { hugepageLimits: [{ pageSize: "2MB", limit: 0n }, { pageSize: "1GB", limit: 0n }] } },
    }),
    "ok",
  );
});

test("pid namespace: a container's own by default, the pod's, the node's, another container's", async (bench) => {
  const namespace = (mode: NamespaceMode, targetId = "") => ({
    linux: { securityContext: { namespaceOptions: { pid: mode, targetId } } },
  });
  const own = await bench.run();
  assertEquals(
    await bench.sh(own, "cat /proc/1/cmdline | tr '\\0' ' '"),
    "sleep 3600",
  );

  const pod = await bench.sandbox(namespace(NamespaceMode.POD));
  const first = await bench.run({ ...namespace(NamespaceMode.POD), command: ["sleep", "1111"] }, pod);
  const second = await bench.run({
    ...namespace(NamespaceMode.POD),
    metadata: { name: "second" },
    command: ["sleep", "2222"],
  }, pod);
  const seen = await bench.sh(first, "ps -o pid,args");
  for (const args of ["sleep 1111", "sleep 2222", "pause"]) assertStringIncludes(seen, args);
  assertMatch(seen, /^ *1 .*pause/m);
  assertEquals(
    await bench.sh(first, "readlink /proc/self/ns/pid"),
    await bench.sh(second, "readlink /proc/self/ns/pid"),
  );

  const node = await bench.run(namespace(NamespaceMode.NODE), await bench.sandbox(namespace(NamespaceMode.NODE)));
  assertEquals(await bench.sh(node, "readlink /proc/self/ns/pid"), Deno.readLinkSync("/proc/self/ns/pid"));

  const elsewhere = bench.create(await bench.sandbox(), namespace(NamespaceMode.TARGET, own.id));
  await assertRefused(elsewhere, [Code.INVALID_ARGUMENT, Code.NOT_FOUND], "target");
});

test("pid namespace of another container of the pod", async (bench) => {
  const own = await bench.run();
  const target = await bench.run({
    metadata: { name: "debug" },
    linux: { securityContext: { namespaceOptions: { pid: NamespaceMode.TARGET, targetId: own.id } } },
  }, own.sandbox);
  assertEquals(await bench.sh(target, "readlink /proc/self/ns/pid"), await bench.sh(own, "readlink /proc/self/ns/pid"));
});

test("ipc and uts are the pod's, and the node's where the pod asks for it", async (bench) => {
  const sandbox = await bench.sandbox();
  const first = await bench.run({}, sandbox);
  const second = await bench.run({ metadata: { name: "second" } }, sandbox);
  for (const kind of ["ipc", "uts", "net"]) {
    const link = await bench.sh(first, `readlink /proc/self/ns/${kind}`);
    assertEquals(link, await bench.sh(second, `readlink /proc/self/ns/${kind}`));
    assertNotEquals(link, Deno.readLinkSync(`/proc/self/ns/${kind}`));
  }
  await bench.sh(first, "echo shared >/dev/shm/file");
  assertEquals(await bench.sh(second, "cat /dev/shm/file"), "shared");
  const options = {
    linux: { securityContext: { namespaceOptions: { ipc: NamespaceMode.NODE, pid: NamespaceMode.CONTAINER } } },
  };
  const node = await bench.run(options, await bench.sandbox(options));
  assertEquals(await bench.sh(node, "readlink /proc/self/ns/ipc"), Deno.readLinkSync("/proc/self/ns/ipc"));
});

test("seccomp: RuntimeDefault filters, nothing and Unconfined don't", async (bench) => {
  const mode = async (seccomp?: { profileType: number }) =>
    await output(bench, "grep Seccomp: /proc/self/status | tr -d '\\t '", { linux: { securityContext: { seccomp } } });
  assertEquals(await mode({ profileType: 0 }), "Seccomp:2");
  assertEquals(await mode({ profileType: 1 }), "Seccomp:0");
  assertEquals(await mode(), "Seccomp:0");
});

function parse(status: string): Record<string, bigint> {
  return Object.fromEntries(
    status.split("\n").map((line) => {
      const [name, value] = line.split(":");
      return [name, BigInt(`0x${value.trim()}`)];
    }),
  );
}

function hostBounding(): bigint {
  return BigInt(`0x${Deno.readTextFileSync("/proc/self/status").match(/CapBnd:\s+(\w+)/)![1]}`);
}
