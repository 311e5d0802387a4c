import { assert, assertEquals } from "@std/assert";
import { createCgroupDriver, makeOwnCgroups } from "../../../../src/oci/mod.ts";
import { kernel, programs, SIGKILL } from "../../../../src/sys/mod.ts";

Deno.test({
  name: "makeOwnCgroups(): pulls are beside the monitors, not among them, and weigh a tenth of their siblings (root)",
  ignore: Deno.uid() !== 0,
  // libc stays loaded.
  sanitizeResources: false,
  fn: async () => {
    const driver = createCgroupDriver(kernel, { defaultParent: "/" });
    const parent = `/skiff-test-${crypto.randomUUID().slice(0, 8)}`;
    const stack = new AsyncDisposableStack();
    const { monitors, pulls } = await makeOwnCgroups(kernel, driver, parent, stack);
    const controller = driver.version === 2 ? "" : "cpu";
    const [folder, beside] = [monitors.paths[controller], driver.placeParent(`${parent}-pulls`).paths[controller]];
    assert(folder.endsWith(`${parent}/monitors`), folder);
    const child = programs.spawn("/bin/busybox", ["sleep", "600"], {});
    await pulls.attach(child.pid);
    assert(kernel.readText(`${beside}/cgroup.procs`).split("\n").includes(String(child.pid)));
    const weight = driver.version === 2 ? ["cpu.weight", "10"] : ["cpu.shares", "102"];
    assertEquals(kernel.readText(`${beside}/${weight[0]}`).trim(), weight[1]);
    child.kill(SIGKILL);
    await child.status;
    // Whoever tidies up takes empty ones away: they are made again.
    for (const each of [...Object.values(monitors.paths), beside]) kernel.rmdir(each);
    const second = programs.spawn("/bin/busybox", ["sleep", "600"], {});
    await driver.attach(monitors, second.pid);
    await pulls.attach(second.pid);
    assertEquals(kernel.readText(`${beside}/${weight[0]}`).trim(), weight[1]);
    assert(monitors.paths.pids === undefined || kernel.exists(monitors.paths.pids));
    second.kill(SIGKILL);
    await second.status;
    await stack.disposeAsync();
    assertEquals([folder, beside].filter((path) => kernel.exists(path)), []);
  },
});
