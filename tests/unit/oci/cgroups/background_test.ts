import { assert, assertEquals } from "@std/assert";
import { createBackgroundCgroup, createCgroupDriver } from "../../../../src/oci/mod.ts";
import { kernel, programs, SIGKILL } from "../../../../src/sys/mod.ts";

Deno.test({
  name: "createBackgroundCgroup() holds processes at a tenth of the usual weight, and goes when it is empty (root)",
  ignore: Deno.uid() !== 0,
  // libc stays loaded.
  sanitizeResources: false,
  fn: async () => {
    const driver = createCgroupDriver(kernel, { defaultParent: "/" });
    const parent = `skiff-test-${crypto.randomUUID().slice(0, 8)}`;
    const placement = driver.place(`/${parent}`, "pulls");
    const folder = placement.paths[""] ?? placement.paths.cpu;
    try {
      const cgroup = await createBackgroundCgroup(kernel, driver, placement);
      const child = programs.spawn("/bin/busybox", ["sleep", "600"], {});
      await cgroup.attach(child.pid);
      assert(kernel.readText(`${folder}/cgroup.procs`).split("\n").includes(String(child.pid)));
      const weight = driver.version === 2 ? "cpu.weight" : "cpu.shares";
      assertEquals(kernel.readText(`${folder}/${weight}`).trim(), driver.version === 2 ? "10" : "102");
      cgroup.removeEmpty();
      assert(kernel.exists(folder));
      child.kill(SIGKILL);
      await child.status;
      cgroup.removeEmpty();
      assert(!kernel.exists(folder));
    } finally {
      await driver.remove(driver.place("/", parent));
    }
  },
});
