import { assertEquals, assertThrows } from "@std/assert";
import { Protocol } from "../../../proto/gen/runtime/v1/api.ts";
import { parseQuantity } from "../../../src/network/bandwidth.ts";
import { capabilityValues, cniPortMappings, runtimeConfigFor } from "../../../src/network/runtime_config.ts";
import type { PodNetwork } from "../../../src/network/mod.ts";
import { RpcError } from "../../../src/rpc/status.ts";

function pod(changes: Partial<PodNetwork>): PodNetwork {
  const facts = { sandboxId: "s1", netns: "", namespace: "default", name: "web", uid: "u1" };
  return { ...facts, portMappings: [], annotations: {}, cgroupParent: "", ...changes };
}
const mapping = { protocol: Protocol.TCP, containerPort: 80, hostPort: 8080, hostIp: "" };

Deno.test("cniPortMappings() writes protocols in lower case and leaves out host port 0", () => {
  const mappings = [
    mapping,
    { ...mapping, hostPort: 0 },
    { ...mapping, protocol: Protocol.UDP, hostIp: "127.0.0.1" },
    { ...mapping, protocol: Protocol.SCTP, hostIp: "::1" },
  ];
  assertEquals(cniPortMappings(mappings), [
    { hostPort: 8080, containerPort: 80, protocol: "tcp" },
    { hostPort: 8080, containerPort: 80, protocol: "udp", hostIP: "127.0.0.1" },
    { hostPort: 8080, containerPort: 80, protocol: "sctp", hostIP: "::1" },
  ]);
});

Deno.test("cniPortMappings() refuses ports, protocols and host IPs that cannot be", () => {
  const bad = [{ hostPort: -1 }, { hostPort: 65536 }, { containerPort: 0 }, { containerPort: 70000 }];
  for (const change of [...bad, { hostIp: "localhost" }, { hostIp: "1.2.3.4 -j" }, { protocol: 9 as Protocol }]) {
    assertThrows(() => cniPortMappings([{ ...mapping, ...change }]), RpcError, "Cannot map host port");
  }
});

Deno.test("runtimeConfigFor() gives a plugin only the capabilities that it turned on and the pod has", () => {
  const values = capabilityValues(
    pod({ portMappings: [mapping], annotations: { a: "b" }, cgroupParent: "/kubepods/x" }),
  );
  const capabilities = { portMappings: true, bandwidth: true, cgroupPath: false, dns: true, toString: true };
  assertEquals(runtimeConfigFor({ type: "x", capabilities }, values), {
    portMappings: [{ hostPort: 8080, containerPort: 80, protocol: "tcp" }],
  });
  const all = { "io.kubernetes.cri.pod-annotations": true, cgroupPath: true };
  assertEquals(runtimeConfigFor({ type: "x", capabilities: all }, values), {
    "io.kubernetes.cri.pod-annotations": { a: "b" },
    cgroupPath: "/kubepods/x",
  });
  assertEquals(runtimeConfigFor({ type: "x" }, values), undefined);
});

Deno.test("capabilityValues() turns bandwidth annotations into bits per second", () => {
  const annotations = { "kubernetes.io/ingress-bandwidth": "10M", "kubernetes.io/egress-bandwidth": "1Gi" };
  assertEquals(capabilityValues(pod({ annotations })).bandwidth, {
    ingressRate: 10_000_000,
    ingressBurst: 34359738359,
    egressRate: 1073741824,
    egressBurst: 34359738359,
  });
  assertEquals(capabilityValues(pod({})).bandwidth, undefined);
});

Deno.test("capabilityValues() refuses a bandwidth that is no quantity or out of bounds", () => {
  for (const text of ["", "fast", "10 M", "999", "2P", "-1M", "1e99", "10MB"]) {
    const annotations = { "kubernetes.io/egress-bandwidth": text };
    assertThrows(() => capabilityValues(pod({ annotations })), RpcError, "kubernetes.io/egress-bandwidth");
  }
});

Deno.test("parseQuantity() reads every form of a Kubernetes quantity and rounds up", () => {
  const good: [string, number][] = [["0", 0], ["5", 5], ["1.1k", 1100], ["1.5Ki", 1536], ["1500m", 2], ["1e3", 1000]];
  good.push(["1E3", 1000], ["2E", 2e18], [".5k", 500], ["5.", 5], ["+3", 3], ["100u", 1], ["1n", 1], ["12e-1", 2]);
  good.push(["-1500m", -1], ["1Ei", 2 ** 60], ["0.3G", 3e8]);
  for (const [text, value] of good) assertEquals(parseQuantity(text), value, text);
  for (const text of ["", ".", "k", "1kk", "1 k", "1ki", "0x10", "1e", "--1", "1e1k", "9".repeat(65)]) {
    assertEquals(parseQuantity(text), undefined, text);
  }
});
