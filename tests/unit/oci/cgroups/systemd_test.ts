import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { type Hierarchies, makeOwnCgroups, SystemdCgroupDriver } from "../../../../src/oci/mod.ts";
import { RpcError } from "../../../../src/rpc/status.ts";
import { Errno, ESRCH } from "../../../../src/sys/mod.ts";
import { RecordingKernel } from "../../../../src/sys/recording.ts";
import { RecordedUnits } from "./recorded_units.ts";

const v2: Hierarchies = { version: 2, mounts: { "": "/cg" }, controllers: new Set(["cpu", "memory"]), others: [] };
const v1: Hierarchies = {
  version: 1,
  mounts: { cpu: "/cg/cpu", memory: "/cg/memory" },
  controllers: new Set(["cpu", "memory"]),
  others: ["/cg/systemd"],
};

function driverOn(hierarchies: Hierarchies, files: Record<string, string> = {}) {
  const kernel = new RecordingKernel(files);
  const units = new RecordedUnits();
  const driver = new SystemdCgroupDriver(kernel, hierarchies, units, { defaultParent: "skiff-pods.slice" });
  return { kernel, units, driver };
}

const POD = "/kubepods.slice/kubepods-pod1.slice";

Deno.test("SystemdCgroupDriver: a container's scope in config.json's form, and where its files are, on v2", () => {
  const { driver } = driverOn(v2);
  const path = `${POD}/skiff-c1.scope`;
  const placement = {
    cgroupsPath: "kubepods-pod1.slice:skiff:c1",
    paths: { "": `/cg${path}` },
    path,
    unit: "skiff-c1.scope",
  };
  assertEquals(driver.place(POD, "c1"), placement);
  assertEquals(driver.place("kubepods-pod1.slice", "c1"), placement);
});

Deno.test("SystemdCgroupDriver: on v1 they are below every controller", () => {
  const { driver } = driverOn(v1);
  assertEquals(driver.place(POD, "c1").paths, {
    cpu: `/cg/cpu${POD}/skiff-c1.scope`,
    memory: `/cg/memory${POD}/skiff-c1.scope`,
  });
});

Deno.test("SystemdCgroupDriver: parentOf() gives the path of a pod's slice, and the default where none is asked for", () => {
  const { driver } = driverOn(v2);
  assertEquals(driver.parentOf("kubepods-pod1.slice"), POD);
  assertEquals(driver.parentOf(POD), POD);
  assertEquals(driver.parentOf(""), "/skiff.slice/skiff-pods.slice");
  assertEquals(driver.placeParent(POD), {
    cgroupsPath: POD,
    paths: { "": `/cg${POD}` },
    path: POD,
    unit: "kubepods-pod1.slice",
  });
});

for (const parent of ["/kubepods/pod1", "kubepods", "-.slice", "/a.slice/b.slice", "a--b.slice"]) {
  Deno.test(`SystemdCgroupDriver: refuses the parent ${parent} and names the field`, () => {
    const { driver } = driverOn(v2);
    assertThrows(() => driver.parentOf(parent), RpcError, "cgroup_parent");
    assertThrows(() => driver.place(parent, "c1"), RpcError, "cgroup_parent");
  });
}

for (const id of ["", "..", "a/b", "-x", "a\nb", "a@b", "x".repeat(250)]) {
  Deno.test(`SystemdCgroupDriver: refuses the name ${JSON.stringify(id.slice(0, 20))}`, () => {
    assertThrows(() => driverOn(v2).driver.place(POD, id), RpcError, "cgroup");
  });
}

Deno.test("SystemdCgroupDriver: create() starts a slice with all accounting; a background one has a tenth of the weight", async () => {
  const { driver, units } = driverOn(v2);
  await driver.create(driver.placeParent(POD));
  const accounting = { CPUAccounting: true, MemoryAccounting: true, TasksAccounting: true, IOAccounting: true };
  const ours = { DefaultDependencies: false, CollectMode: "inactive-or-failed" };
  assertEquals(units.started("kubepods-pod1.slice"), { Description: "skiff", ...ours, ...accounting });
  await driver.create(driver.placeParent("/skiff.slice"), "background");
  assertEquals(units.started("skiff.slice").CPUWeight, 10n);
  assertEquals(units.calls.at(-1), ["set", "skiff.slice", [["CPUWeight", "t", 10n], ["IOWeight", "t", 10n]]]);
});

Deno.test("SystemdCgroupDriver: attach() puts a process into a scope of its own, with the name that is asked for", async () => {
  const { driver, units } = driverOn(v2);
  const monitors = driver.placeParent("/skiff.slice");
  await driver.attach(monitors, 77, "conmon-c1");
  const { Slice, PIDs } = units.started("skiff-conmon-c1.scope");
  assertEquals([Slice, PIDs], ["skiff.slice", [77]]);
  await driver.attach(monitors, 78);
  await driver.attach(monitors, 78);
  const names = units.calls.slice(1).map(([, unit]) => unit as string);
  assertEquals(new Set(names).size, 2);
  for (const name of names) assertEquals(/^skiff-78-\w+-\d+\.scope$/.test(name), true, name);
});

Deno.test("SystemdCgroupDriver: attach() of a process that has ended throws ESRCH, of one that has not what systemd says", async () => {
  const { driver, units } = driverOn(v2, { "/proc/77/stat": "" });
  units.failure = new Error("no");
  const monitors = driver.placeParent("/skiff.slice");
  await assertRejects(() => driver.attach(monitors, 77), Error, "no");
  const error = await assertRejects(() => driver.attach(monitors, 78), Errno);
  assertEquals(error.code, ESRCH);
});

Deno.test("SystemdCgroupDriver: remove() takes away the folders and has systemd forget the scope, and can be repeated", async () => {
  const scope = `/cg${POD}/skiff-c1.scope`;
  const { driver, units, kernel } = driverOn(v2, { [`${scope}/container/`]: "" });
  const placement = driver.place(POD, "c1");
  await driver.remove(placement);
  await driver.remove(placement);
  assertEquals(kernel.exists(scope), false);
  assertEquals(units.calls, [["stop", "skiff-c1.scope", {}], ["stop", "skiff-c1.scope", {}]]);
});

Deno.test("SystemdCgroupDriver: removeEmpty() stops only a slice in which nothing is, and not when something begins", async () => {
  const { driver, units, kernel } = driverOn(v2, { [`/cg${POD}/skiff-c1.scope/`]: "" });
  await driver.removeEmpty(driver.placeParent(POD));
  assertEquals(units.calls, []);
  kernel.rmdir(`/cg${POD}/skiff-c1.scope`);
  kernel.writeFile(`/cg${POD}/cgroup.procs`, "12\n", 0o644);
  await driver.removeEmpty(driver.placeParent(POD));
  assertEquals(units.calls, []);
  kernel.writeFile(`/cg${POD}/cgroup.procs`, "", 0o644);
  await driver.removeEmpty(driver.placeParent(POD));
  assertEquals(units.calls, [["stop", "kubepods-pod1.slice", { gently: true }]]);
});

Deno.test("SystemdCgroupDriver: what the other driver has made is still found and removed", async () => {
  const { driver, units, kernel } = driverOn(v2, { "/cg/pods/pod1/c1/": "" });
  await driver.remove({ cgroupsPath: "/pods/pod1/c1", paths: { "": "/cg/pods/pod1/c1" } });
  await driver.removeEmpty(driver.placeParent("/pods/pod1"));
  assertEquals([kernel.exists("/cg/pods/pod1"), kernel.exists("/cg/pods"), units.calls], [false, true, []]);
});

for (
  const [parent, pulls, above] of [
    ["skiff-monitors.slice", "skiff-monitors_pulls.slice", "skiff.slice"],
    ["monitors.slice", "monitors_pulls.slice", undefined],
  ] as const
) {
  Deno.test(`makeOwnCgroups(): monitors are below ${parent}, pulls beside it, and they go when they are empty`, async () => {
    const { driver, units, kernel } = driverOn(v2);
    const stack = new AsyncDisposableStack();
    const own = await makeOwnCgroups(kernel, driver, parent, stack);
    const monitors = parent.replace(".slice", "-monitors.slice");
    assertEquals(own.monitors.unit, monitors);
    assertEquals(units.started(pulls).IOWeight, 10n);
    // systemd has a slice where its name says.
    const folderOf = (path: string) => path.slice(0, path.lastIndexOf("/"));
    assertEquals(folderOf(driver.parentOf(pulls)), folderOf(driver.parentOf(parent)));
    await own.pulls.attach(9);
    assertEquals((units.calls.at(-1)![2] as unknown[]).slice(-2), [["Slice", "s", pulls], ["PIDs", "au", [9]]]);
    await stack.disposeAsync();
    const stopped = units.calls.filter(([call]) => call === "stop").map(([, unit]) => unit);
    assertEquals(stopped, [monitors, pulls, parent, ...(above ? [above] : [])]);
  });
}
