/** The tests that run in the guest, all against one daemon. The host starts this file: its name keeps it out of other runs. */
import { life } from "../../crictl/life.ts";
import { memoryBomb, podMemoryBomb, survives } from "../../faults/survival.ts";
import { suite } from "../../support/suite.ts";
import { swapAndStatistics } from "./figures.ts";
import { forksAreKilled, limitsAreSet, privilegedHasAll } from "./limits.ts";
import { knowsItsNode, layersOverLoopDevices } from "./node.ts";
import { foldersWithoutErofs } from "./without_erofs.ts";

const { test } = suite();

test("The daemon knows that it is on cgroup v2, with every capability, on Linux 6.1", knowsItsNode);
test("Layers are mounted over loop devices, once each, and overlaid by mount(2)", layersOverLoopDevices);
test("Without EROFS in the kernel, layers are folders that show the same", foldersWithoutErofs);
for (const runtime of ["runc", "crun"]) {
  test(`crictl with ${runtime}: a pod's life`, (bench) => life(bench, runtime));
  test(`${runtime}: limits, unified and negative oom scores of a request are in the kernel's files`, (bench) =>
    limitsAreSet(bench, runtime));
  test(`${runtime}: a privileged container has every capability`, (bench) => privilegedHasAll(bench, runtime));
  test(`${runtime}: what goes on forking ends with its container`, (bench) => forksAreKilled(bench, runtime));
  test(`${runtime}: a memory bomb ends its own container with OOMKilled and nothing else`, (bench) =>
    memoryBomb(bench, runtime));
}
test("Swap is used above memory.high; usage, swap and pressure are what the files say", swapAndStatistics);
test("A memory bomb against the pod's limit doesn't take the monitor", (bench) => podMemoryBomb(bench));
test("SIGKILL to the daemon with five running containers: all go on", (bench) => survives(bench, "kill9", true));
test("SIGKILL to the daemon's cgroup with five running containers: all go on", (bench) =>
  survives(bench, "killCgroup", true));
