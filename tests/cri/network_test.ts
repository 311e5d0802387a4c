import { assert, assertEquals, assertNotEquals, assertStringIncludes } from "@std/assert";
import { NamespaceMode, Protocol } from "../../proto/gen/runtime/v1/api.ts";
import { Code } from "../support/client.ts";
import { sleep, waitUntil } from "../support/command.ts";
import { assertRefused, type Workbench } from "../support/pods.ts";
import { onSkiff } from "../support/runtime_under_test.ts";
import { suite } from "../support/suite.ts";
import { tools } from "../support/tools.ts";

const { test } = suite();
/** As the kubelet asks for it: without a hostname, which would be the node's. */
const hostNetwork = {
  hostname: "",
  linux: { securityContext: { namespaceOptions: { network: NamespaceMode.NODE, pid: NamespaceMode.CONTAINER } } },
};

const ipOf = async (bench: Workbench, podSandboxId: string) =>
  (await bench.client.podSandboxStatus({ podSandboxId })).status!.network!.ip;
const fetchOnNode = async (bench: Workbench, url: string) =>
  (await bench.onNode(tools.busybox, "timeout", "2", "wget", "-q", "-O", "-", url)).stdout;
const server = {
  command: ["/bin/sh", "-c", "mkdir -p /www; echo hello >/www/index.html; exec httpd -f -p 8080 -h /www"],
};

test("network: the pod has the address that its status says, loopback, and a route", async (bench) => {
  const container = await bench.run();
  const ip = await ipOf(bench, container.sandbox.id);
  const shown = await bench.sh(container, "ip -o -4 addr; ip route");
  assertStringIncludes(shown, `inet ${ip}/24`);
  assertStringIncludes(shown, "inet 127.0.0.1/8");
  assertStringIncludes(shown, `default via ${bench.node.subnet}.1`);
  assertEquals(
    (await bench.onNode(tools.busybox, "ping", "-c", "1", "-W", "2", ip)).code,
    0,
    "the node reaches the pod",
  );
});

test("network: pods reach each other, and each has its own ports", async (bench) => {
  const [first, second] = [await bench.run(server), await bench.run(server)];
  const ip = await ipOf(bench, first.sandbox.id);
  assertEquals(
    await waitUntil(
      "the pod's server answers",
      async () => (await bench.exec(second, ["timeout", "2", "wget", "-q", "-O", "-", `http://${ip}:8080/`])).stdout,
    ),
    "hello\n",
  );
});

test("network: a host port leads to the pod, from the node's address and its loopback, and is gone with it", async (bench) => {
  const sandbox = await bench.sandbox({
    portMappings: [{ protocol: Protocol.TCP, containerPort: 8080, hostPort: 18080 }],
  });
  await bench.run(server, sandbox);
  for (const host of [`${bench.node.subnet}.1`, "127.0.0.1"]) {
    assertEquals(
      await waitUntil(`port 18080 answers on ${host}`, () => fetchOnNode(bench, `http://${host}:18080/`)),
      "hello\n",
    );
  }
  await bench.client.stopPodSandbox({ podSandboxId: sandbox.id });
  assertEquals(await fetchOnNode(bench, "http://127.0.0.1:18080/"), "");
  const { stdout } = await bench.onNode("iptables-save", "-t", "nat");
  assert(!stdout.includes("18080"), stdout);
});

test("network: a mapping without a host port maps nothing", async (bench) => {
  const sandbox = await bench.sandbox({ portMappings: [{ protocol: Protocol.TCP, containerPort: 8080 }] });
  assertEquals((await bench.client.podSandboxStatus({ podSandboxId: sandbox.id })).status!.state, 0);
});

test("network: /etc/resolv.conf says what the request says, and is the node's without", async (bench) => {
  const dnsConfig = {
    servers: ["10.0.0.10", "fd00::10"],
    searches: ["svc.cluster.local", "local"],
    options: ["ndots:5", "edns0"],
  };
  const own = await bench.run({}, await bench.sandbox({ dnsConfig }));
  const lines = (await bench.sh(own, "cat /etc/resolv.conf")).split("\n").filter(Boolean);
  assertEquals(lines.toSorted(), [
    "nameserver 10.0.0.10",
    "nameserver fd00::10",
    "options ndots:5 edns0",
    "search svc.cluster.local local",
  ]);
  const node = await bench.run();
  assertEquals((await bench.sh(node, "cat /etc/resolv.conf")).trim(), Deno.readTextFileSync("/etc/resolv.conf").trim());
});

test("network: /etc/hosts names localhost", async (bench) => {
  assertStringIncludes(await bench.sh(await bench.run(), "cat /etc/hosts"), "localhost");
});

test("network: a pod on the node's network has the node's interfaces and no address of its own", async (bench) => {
  const before = await bench.node.snapshot();
  const container = await bench.run(hostNetwork, await bench.sandbox(hostNetwork));
  const { status } = await bench.client.podSandboxStatus({ podSandboxId: container.sandbox.id });
  assertEquals(status!.network?.ip ?? "", "");
  assertEquals(status!.linux!.namespaces!.options!.network, NamespaceMode.NODE);
  assertEquals(
    await bench.sh(container, "readlink /proc/self/ns/net"),
    Deno.readLinkSync(`/proc/${bench.node.holder.pid}/ns/net`),
  );
  const added = (await bench.node.snapshot()).link.filter((name) => !before.link.includes(name));
  assertEquals(added, []);
});

test("network: sysctls of the request are set in the pod and nowhere else", async (bench) => {
  const sandbox = await bench.sandbox({
    linux: {
      cgroupParent: bench.node.pods,
      sysctls: { "net.ipv4.ip_unprivileged_port_start": "80", "kernel.shm_rmid_forced": "1" },
    },
  });
  const container = await bench.run({}, sandbox);
  assertEquals(
    await bench.sh(container, "cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/shm_rmid_forced"),
    "80\n1",
  );
  assertEquals(Deno.readTextFileSync("/proc/sys/kernel/shm_rmid_forced"), "0\n");
  assertEquals(await bench.node.holder.run("cat", "/proc/sys/net/ipv4/ip_unprivileged_port_start"), "1024\n");
});

test("network: a sysctl that isn't the pod's own is refused, whatever its value (CVE-2022-0532, CVE-2022-0811)", async (bench) => {
  const corePattern = Deno.readTextFileSync("/proc/sys/kernel/core_pattern");
  const attempt = (sysctls: Record<string, string>, part: any = {}) =>
    bench.client.runPodSandbox({ config: bench.sandboxConfig({ ...part, linux: { ...part.linux, sysctls } }) });
  await assertRefused(
    attempt({ "kernel.core_pattern": "|/x" }),
    Code.INVALID_ARGUMENT,
    "sysctls",
    "kernel.core_pattern",
  );
  await assertRefused(
    attempt({ "kernel.shm_rmid_forced": "1+kernel.core_pattern=|/x" }),
    Code.INVALID_ARGUMENT,
    "kernel.shm_rmid_forced",
  );
  await assertRefused(
    attempt({ "net.ipv4.ip_forward": "1" }, hostNetwork),
    Code.INVALID_ARGUMENT,
    "net.ipv4.ip_forward",
  );
  await assertRefused(attempt({ "net/../kernel.core_pattern": "|/x" }), Code.INVALID_ARGUMENT, "core_pattern");
  const hostIpc = { linux: { securityContext: { namespaceOptions: { ipc: NamespaceMode.NODE } } } };
  await assertRefused(attempt({ "kernel.shmmax": "1" }, hostIpc), Code.INVALID_ARGUMENT, "kernel.shmmax");
  assertEquals(Deno.readTextFileSync("/proc/sys/kernel/core_pattern"), corePattern);
});

test("network: nothing of ours listens on an abstract socket, which a pod on the node's network could reach (CVE-2020-15257)", async (bench) => {
  await bench.run(hostNetwork, await bench.sandbox(hostNetwork));
  const sockets = await bench.node.holder.run("cat", "/proc/net/unix");
  assertEquals(sockets.split("\n").filter((line) => / @/.test(line)), []);
});

test("network: without a CNI configuration the status says so, pods on the node's network run, others fail within a second", async (bench) => {
  await using _conflist = await withoutConflist(bench);
  const { status } = await bench.client.status({});
  const network = status!.conditions.find((one) => one.type === "NetworkReady")!;
  assertNotEquals([network.reason, network.message], ["", ""]);
  await bench.run(hostNetwork, await bench.sandbox(hostNetwork));
  const began = Date.now();
  await assertRefused(bench.client.runPodSandbox({ config: bench.sandboxConfig() }), [
    Code.UNAVAILABLE,
    Code.FAILED_PRECONDITION,
  ], bench.node.cniDir);
  assert(Date.now() - began < 1000, `refused after ${Date.now() - began} ms`);
});

test("network: a configuration that appears is seen within a second", async (bench) => {
  const conflist = await withoutConflist(bench);
  await conflist[Symbol.asyncDispose]();
  const began = Date.now();
  await networkReady(bench, true);
  assert(Date.now() - began < 1500, `seen after ${Date.now() - began} ms`);
  await bench.sandbox();
});

test("network: a pod is taken down with the configuration that it was set up with", async (bench) => {
  const sandbox = await bench.sandbox();
  const leases = () =>
    [...Deno.readDirSync(`${bench.node.leases}/test`)].filter((entry) => /^\d+\./.test(entry.name)).length;
  assertEquals(leases(), 1);
  await using _conflist = await withoutConflist(bench);
  await bench.client.stopPodSandbox({ podSandboxId: sandbox.id });
  assertEquals(leases(), 0);
  await bench.remove(sandbox.id);
}, { skiffOnly: "without a configuration it takes nothing down" });

test(
  "network: a broken configuration is reported, and the one before it isn't forgotten for pods that run",
  async (bench) => {
    const sandbox = await bench.sandbox();
    await Deno.writeTextFile(`${bench.node.cniDir}/05-broken.conflist`, "{ this is not JSON");
    try {
      await sleep(1200);
      await bench.remove(sandbox.id);
    } finally {
      await Deno.remove(`${bench.node.cniDir}/05-broken.conflist`);
    }
    await networkReady(bench, true);
  },
  { skiffOnly: "a pod whose configuration is gone cannot be stopped" },
);

async function networkReady(bench: Workbench, ready: boolean): Promise<void> {
  await waitUntil(`NetworkReady is ${ready}`, async () => {
    const { status } = await bench.client.status({});
    return status!.conditions.find((one) => one.type === "NetworkReady")!.status === ready;
  }, onSkiff ? 3_000 : 10_000);
}

async function withoutConflist(bench: Workbench): Promise<AsyncDisposable> {
  await Deno.remove(`${bench.node.cniDir}/10-test.conflist`);
  await networkReady(bench, false);
  return {
    [Symbol.asyncDispose]: async () => {
      await bench.node.writeConflist();
      await networkReady(bench, true);
    },
  };
}
