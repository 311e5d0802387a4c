import { assertEquals, assertThrows } from "@std/assert";
import { RpcError } from "../../../../src/rpc/status.ts";
import { CgroupfsDriver, checkParent, type Hierarchies } from "../../../../src/oci/mod.ts";
import { kernel } from "../../../../src/sys/mod.ts";

const v1: Hierarchies = {
  version: 1,
  mounts: { cpu: "/cg/cpu", memory: "/cg/memory" },
  controllers: new Set(["cpu", "memory"]),
  others: ["/cg/systemd"],
};

Deno.test("place() gives the path for config.json and the folder of every controller", () => {
  const driver = new CgroupfsDriver(kernel, v1, { defaultParent: "/skiff" });
  assertEquals(driver.place("/kubepods//burstable/", "c1"), {
    cgroupsPath: "/kubepods/burstable/c1",
    paths: { cpu: "/cg/cpu/kubepods/burstable/c1", memory: "/cg/memory/kubepods/burstable/c1" },
  });
  assertEquals(driver.place("", "c1").cgroupsPath, "/skiff/c1");
  assertEquals(driver.place("/", "c1").cgroupsPath, "/c1");
  assertEquals(driver.place("/kubepods.slice", "c1").cgroupsPath, "/kubepods.slice/c1");
});

for (const parent of ["kubepods", "../x", "/a/../../x", "/a/./b", "/a\nb", "/a\0b", "/" + "x".repeat(3000)]) {
  Deno.test(`checkParent() refuses ${JSON.stringify(parent.slice(0, 20))}`, () => {
    assertThrows(() => checkParent(parent), RpcError, "cgroup_parent");
  });
}

Deno.test("checkParent() says what to do about a systemd slice", () => {
  assertThrows(() => checkParent("kubepods-besteffort.slice"), RpcError, "set cgroupDriver: cgroupfs for the kubelet");
});

for (const id of ["", "..", "a/b", "-x", "a\nb"]) {
  Deno.test(`place() refuses the name ${JSON.stringify(id)}`, () => {
    assertThrows(
      () => new CgroupfsDriver(kernel, v1, { defaultParent: "/" }).place("/p", id),
      RpcError,
      "is not a name",
    );
  });
}
