import { assertEquals } from "@std/assert";
import { probeNode } from "../../../src/oci/mod.ts";
import { kernel, RecordingKernel } from "../../../src/sys/mod.ts";
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

const unified = {
  "/proc/self/mountinfo": "30 29 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
  "/proc/self/status": "CapEff:\t000001ffffffffff\nCapBnd:\t000001ffffffffff\n",
  "/proc/self/oom_score_adj": "0\n",
  "/proc/sys/kernel/osrelease": "6.1.0-56-amd64\n",
  "/proc/cmdline": "quiet\n",
  "/proc/swaps": "",
  "/sys/fs/cgroup/cgroup.controllers": "cpu memory\n",
};
const swapAccounting = (files: Record<string, string>) =>
  probeNode(new RecordingKernel({ ...unified, ...files })).swapAccounting;

Deno.test("probeNode() takes swap for accounted on a v2 node where no cgroup has memory yet", () => {
  assertEquals(swapAccounting({}), true);
  assertEquals(swapAccounting({ "/sys/fs/cgroup/user/cgroup.procs": "" }), true);
  assertEquals(swapAccounting({ "/proc/cmdline": "quiet swapaccount=0\n" }), false);
});

Deno.test("probeNode() asks a v2 cgroup with memory whether swap is accounted", () => {
  const memory = { "/sys/fs/cgroup/user/memory.max": "max\n" };
  assertEquals(swapAccounting(memory), false);
  assertEquals(swapAccounting({ ...memory, "/sys/fs/cgroup/user/memory.swap.max": "max\n" }), true);
});
