/** The tests that run in the guest whose process 1 is systemd, all against one daemon, which is a service there. */
import { life } from "../../../crictl/life.ts";
import { memoryBomb } from "../../../faults/survival.ts";
import { suite } from "../../../support/suite.ts";
import { forksAreKilled, limitsAreSet } from "../limits.ts";
import { refusesOtherParents, slicesAndScopes, tellsTheKubelet } from "./placing.ts";
import { leavesNothing, outlivesTheDaemon, podMemoryBomb } from "./surviving.ts";
import { UnitDaemon } from "../../../support/unit_daemon.ts";

const { test } = suite({ node: { name: "skiffguest", slices: true }, make: (node) => new UnitDaemon(node) });

test("The daemon tells the kubelet that systemd makes the cgroups, and has slices of its own", tellsTheKubelet);
test("A pod's parent that is no slice is refused, with the field's name", refusesOtherParents);
for (const runtime of ["runc", "crun"]) {
  test(`${runtime}: slices, scopes and limits are where systemd says, and go with the pod`, (bench) =>
    slicesAndScopes(bench, runtime));
  test(`crictl with ${runtime}: a pod's life under systemd`, (bench) => life(bench, runtime));
  test(`${runtime}: limits, unified and negative oom scores of a request are in the kernel's files`, (bench) =>
    limitsAreSet(bench, runtime));
  test(`${runtime}: what goes on forking ends with its container`, (bench) => forksAreKilled(bench, runtime));
  test(`${runtime}: a memory bomb ends its own container with OOMKilled and nothing else`, (bench) =>
    memoryBomb(bench, runtime));
}
test("A memory bomb against the limit of the pod's slice doesn't take the monitor", podMemoryBomb);
test("systemctl restart and SIGKILL: containers, monitors and logs go on", outlivesTheDaemon);
test("Once the daemon stops, systemd has none of its slices and scopes", leavesNothing);
