import { assertEquals, assertThrows } from "@std/assert";
import { addressesOf } from "../../../src/network/result.ts";

Deno.test("addressesOf() keeps the order of the plugin: the primary first", () => {
  const ips = [{ address: "fd00::5/64" }, { address: "10.0.0.5/24", gateway: "10.0.0.1" }, { address: "fd00::5/64" }];
  assertEquals(addressesOf({ cniVersion: "1.0.0", ips }, "eth0"), ["fd00::5", "10.0.0.5"]);
});

Deno.test("addressesOf() leaves out addresses of other interfaces", () => {
  const interfaces = [{ name: "cni0" }, { name: "veth1" }, { name: "eth0", sandbox: "/run/netns/x" }];
  const ips = [{ address: "10.9.9.1/24", interface: 0 }, { address: "10.0.0.5/24", interface: 2 }];
  assertEquals(addressesOf({ interfaces, ips }, "eth0"), ["10.0.0.5"]);
});

Deno.test("addressesOf() takes those of other interfaces where eth0 has none", () => {
  const interfaces = [{ name: "net1", sandbox: "/run/netns/x" }];
  assertEquals(addressesOf({ interfaces, ips: [{ address: "10.0.0.5/24", interface: 0 }] }, "eth0"), ["10.0.0.5"]);
});

Deno.test("addressesOf() reads results of 0.1.0 and 0.2.0", () => {
  assertEquals(addressesOf({ ip4: { ip: "10.0.0.5/24" }, ip6: { ip: "fd00::5/64" } }, "eth0"), ["10.0.0.5", "fd00::5"]);
});

Deno.test("addressesOf() gives none where the plugin gave none", () => {
  assertEquals(addressesOf({ cniVersion: "1.0.0" }, "eth0"), []);
});

Deno.test("addressesOf() refuses what is no address, too many, and odd shapes", () => {
  for (const address of ["10.0.0.5/33", "10.0.0.5/", "10.0.0.5/24/1", "x", "", 5, null, "fd00::/129", "1.2.3.4\n/24"]) {
    assertThrows(() => addressesOf({ ips: [{ address }] }, "eth0"), Error, "invalid address");
  }
  assertThrows(() => addressesOf({ ips: ["10.0.0.5/24"] }, "eth0"), Error, "not a JSON object");
  assertThrows(() => addressesOf([], "eth0"), Error, "not a JSON object");
  assertThrows(() => addressesOf({ ips: Array(65).fill({ address: "10.0.0.5/24" }) }, "eth0"), Error, "65 addresses");
});
