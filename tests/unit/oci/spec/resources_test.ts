import { assertEquals, assertThrows } from "@std/assert";
import { RpcError } from "../../../../src/rpc/status.ts";
import { resourceSection } from "../../../../src/oci/spec/resources.ts";
import { newSection } from "../../../../src/oci/spec/section.ts";
import { kernel } from "../../../../src/sys/mod.ts";
import { request, type RequestChanges } from "../support/requests.ts";

function ask(changes: RequestChanges, pidsLimit = 0) {
  const section = newSection(request("/", changes), { kernel, config: { defaultEnv: [], pidsLimit } });
  return { resources: resourceSection(section), notes: section.notes };
}

const MIB = 1n << 20n;
const crun = {
  runtime: { name: "crun", path: "/usr/bin/crun", root: "/r", conmon: "/c", cgroupDriver: "cgroupfs" as const },
};
const v2 = { cgroupVersion: 2 as const };
const controllers = (...names: string[]) => ({ controllers: new Set(names) });

const table: [string, RequestChanges, unknown][] = [
  ["sets nothing that was not asked for", {}, {}],
  ["sets CPU", { resources: { cpuShares: 512n, cpuQuota: 50000n, cpuPeriod: 100000n } }, {
    cpu: { shares: 512, quota: 50000, period: 100000 },
  }],
  ["sets cpusets", { resources: { cpusetCpus: "0-3,7", cpusetMems: "0" } }, { cpu: { cpus: "0-3,7", mems: "0" } }],
  ["sets memory", { resources: { memoryLimitInBytes: 64n * MIB } }, { memory: { limit: 67108864 } }],
  ["sets memory and swap", { resources: { memoryLimitInBytes: 64n * MIB, memorySwapLimitInBytes: 65n * MIB } }, {
    memory: { limit: 67108864, swap: 68157440 },
  }],
  ["takes small memory with crun", { resources: { memoryLimitInBytes: MIB }, input: crun }, {
    memory: { limit: 1048576 },
  }],
  ["sets huge pages", { resources: { hugepageLimits: [{ pageSize: "2MB", limit: 0n }] } }, {
    hugepageLimits: [{ pageSize: "2MB", limit: 0 }],
  }],
  ["sets unified on v2", { resources: { unified: { "memory.high": "1000" } }, node: v2 }, {
    unified: { "memory.high": "1000" },
  }],
];
for (const [name, changes, expected] of table) {
  Deno.test(`resourceSection() ${name}`, () => assertEquals(ask(changes), { resources: expected as never, notes: [] }));
}

Deno.test("resourceSection() limits processes as configured", () => {
  assertEquals(ask({}, 1024).resources, { pids: { limit: 1024 } });
  assertEquals(ask({ node: controllers("cpu") }, 1024).resources, {});
});

const ignored: [string, RequestChanges, RegExp][] = [
  ["CPU", { resources: { cpuShares: 512n }, node: controllers() }, /no cpu cgroup controller/],
  ["cpusets", { resources: { cpusetCpus: "0" }, node: controllers("cpu") }, /no cpuset/],
  ["memory", { resources: { memoryLimitInBytes: 64n * MIB }, node: controllers() }, /no memory/],
  [
    "huge pages",
    { resources: { hugepageLimits: [{ pageSize: "2MB", limit: 4n * MIB }] }, node: controllers() },
    /no hugetlb/,
  ],
  ["unified on v1", { resources: { unified: { "memory.high": "1" } } }, /cgroup v1/],
];
for (const [name, changes, note] of ignored) {
  Deno.test(`resourceSection() leaves out ${name} and notes it where this node cannot`, () => {
    const { resources, notes } = ask(changes);
    assertEquals([resources, notes.length, note.test(notes[0])], [{}, 1, true]);
  });
}

Deno.test("resourceSection() leaves out swap and notes it where the kernel does not account it", () => {
  const { resources, notes } = ask({
    resources: { memoryLimitInBytes: 64n * MIB, memorySwapLimitInBytes: 64n * MIB },
    node: { swapAccounting: false },
  });
  assertEquals([resources, notes.length], [{ memory: { limit: 67108864 } }, 1]);
});

Deno.test("resourceSection() says nothing of the kubelet's empty huge page limits", () => {
  assertEquals(ask({ resources: { hugepageLimits: [{ pageSize: "1GB", limit: 0n }] }, node: controllers() }), {
    resources: {},
    notes: [],
  });
});

const refused: [string, RequestChanges, string][] = [
  ["memory that runc cannot start in", { resources: { memoryLimitInBytes: 4n * MIB } }, "too small"],
  ["memory that crun cannot start in", { resources: { memoryLimitInBytes: 4096n }, input: crun }, "too small"],
  ["a swap limit below the memory limit", {
    resources: { memoryLimitInBytes: 64n * MIB, memorySwapLimitInBytes: 32n * MIB },
  }, "sum of both"],
  ["a number that JSON cannot carry", { resources: { memoryLimitInBytes: 2n ** 60n } }, "out of range"],
  ["a negative CPU period", { resources: { cpuPeriod: -1n } }, "out of range"],
  ["a cpuset that is none", { resources: { cpusetCpus: "0-3\n" } }, "list such as"],
  ["a page size that is none", { resources: { hugepageLimits: [{ pageSize: "2mb", limit: 1n }] } }, "2MB"],
  ["unified with a path", { resources: { unified: { "../memory.max": "max" } }, node: v2 }, "not the name of a limit"],
  ["unified that kills", { resources: { unified: { "cgroup.kill": "1" } }, node: v2 }, "not the name of a limit"],
  ["unified with a newline", { resources: { unified: { "memory.max": "1\n2" } }, node: v2 }, "refused"],
];
for (const [name, changes, message] of refused) {
  Deno.test(`resourceSection() refuses ${name}`, () => {
    assertThrows(() => ask(changes), RpcError, message);
  });
}

Deno.test("resourceSection() CVE-2023-6476: an annotation lifts no limit", () => {
  const annotations = { "io.kubernetes.cri-o.UnifiedCgroup.main": "memory.max=max" };
  assertEquals(ask({ config: { annotations }, resources: { memoryLimitInBytes: 64n * MIB }, node: v2 }).resources, {
    memory: { limit: 67108864 },
  });
});
