import { assertEquals } from "@std/assert";
import { probeNode } from "../../../src/oci/mod.ts";
import { kernel } from "../../../src/sys/mod.ts";
import "./support/requests.ts";

Deno.test("probeNode() says what /proc and /sys say", () => {
  const node = probeNode(kernel);
  const bits = BigInt(`0x${/CapBnd:\s*(\w+)/.exec(kernel.readText("/proc/self/status"))![1]}`);
  assertEquals(node.capabilities.length, bits.toString(2).replaceAll("0", "").length);
  assertEquals(node.minOomScoreAdj >= -1000 && node.minOomScoreAdj <= 1000, true);
  assertEquals(node.rlimits.RLIMIT_NOFILE.hard >= node.rlimits.RLIMIT_NOFILE.soft, true);
  assertEquals(
    node.kernelVersion,
    kernel.readText("/proc/sys/kernel/osrelease").split(".").slice(0, 2).map(Number) as [number, number],
  );
  assertEquals(node.cgroupVersion, kernel.exists("/sys/fs/cgroup/cgroup.controllers") ? 2 : 1);
  assertEquals(node.selinux, kernel.exists("/sys/fs/selinux/enforce"));
  assertEquals(JSON.parse(JSON.stringify(node.rlimits)), node.rlimits);
});
