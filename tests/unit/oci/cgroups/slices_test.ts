import { assertEquals, assertThrows } from "@std/assert";
import { expandSlice, parseSlice } from "../../../../src/oci/mod.ts";
import { RpcError } from "../../../../src/rpc/status.ts";

const POD = "kubepods-burstable-pod0a1b2c3d_0000_4000_8000_0123456789ab.slice";
const POD_PATH = `/kubepods.slice/kubepods-burstable.slice/${POD}`;

Deno.test("expandSlice() has a folder for each dash of the name", () => {
  assertEquals(expandSlice("kubepods.slice"), "/kubepods.slice");
  assertEquals(expandSlice(POD), POD_PATH);
});

Deno.test("parseSlice() takes a slice by its name, and by its path as the kubelet writes it", () => {
  for (const text of [POD, POD_PATH, POD_PATH.replaceAll("/", "//")]) {
    assertEquals(parseSlice("cgroup_parent", text), { name: POD, path: POD_PATH });
  }
});

const MALFORMED: [string, string][] = [
  ["", "is not a systemd slice"],
  ["/", "is not a systemd slice"],
  ["/kubepods/burstable", "is not a systemd slice"],
  ["kubepods.scope", "is not a systemd slice"],
  ["/kubepods.slice/x", "is not a systemd slice"],
  [".slice", "is not the name of a slice"],
  ["-.slice", "is not the name of a slice"],
  ["-a.slice", "is not the name of a slice"],
  ["a-.slice", "is not the name of a slice"],
  ["a--b.slice", "is not the name of a slice"],
  ["a b.slice", "is not the name of a slice"],
  ["a\nb.slice", "is not the name of a slice"],
  ["a\0.slice", "is not the name of a slice"],
  ["a\\x2db.slice", "is not the name of a slice"],
  ["ä.slice", "is not the name of a slice"],
  [`${"a".repeat(250)}.slice`, "is not the name of a slice"],
  [`${"a-".repeat(30)}a.slice`, "is more than 16 deep"],
  ["/other.slice/kubepods-a.slice", "is not where systemd has kubepods-a.slice"],
  ["/../kubepods.slice", "is not where systemd has kubepods.slice"],
  ["a/kubepods.slice", "is not where systemd has kubepods.slice"],
];

for (const [text, why] of MALFORMED) {
  Deno.test(`parseSlice() refuses ${JSON.stringify(text.slice(0, 40))}`, () => {
    const error = assertThrows(() => parseSlice("cgroup_parent", text), RpcError, why);
    assertEquals(error.message.startsWith("cgroup_parent"), true, error.message);
  });
}
