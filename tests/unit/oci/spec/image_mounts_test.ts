import { assertEquals, assertThrows } from "@std/assert";
import { ContainerConfig, MountPropagation } from "../../../../proto/gen/runtime/v1/api.ts";
import { imageMounts } from "../../../../src/oci/mod.ts";
import { RpcError } from "../../../../src/rpc/status.ts";

const good = { containerPath: "/v", readonly: true, image: { image: "sha256:1" } };
const ask = (...mounts: Record<string, unknown>[]) => imageMounts(ContainerConfig.fromPartial({ mounts }));

Deno.test("imageMounts() finds the mounts that are images, by their place in the request", () => {
  const host = { containerPath: "/h", hostPath: "/tmp" };
  assertEquals(ask(host, good, { ...good, imageSubPath: "etc/x" }), [
    { index: 1, image: "sha256:1", subPath: "" },
    { index: 2, image: "sha256:1", subPath: "etc/x" },
  ]);
});

const { PROPAGATION_BIDIRECTIONAL } = MountPropagation;
const refusals: [string, Record<string, unknown>, string][] = [
  ["one that is to be writable", { readonly: false }, "ImageVolumeMountFailed"],
  ["one with a host path, too", { hostPath: "/tmp" }, "only one of them"],
  ["one without a name", { image: {} }, "must not be empty"],
  ["one whose mounts are to be seen outside", { propagation: PROPAGATION_BIDIRECTIONAL }, "Bidirectional"],
  ["a sub path from the root", { imageSubPath: "/etc" }, "relative"],
  ["a sub path that goes up", { imageSubPath: "a/../../b" }, "relative"],
  ["a sub path with a NUL", { imageSubPath: "a\0b" }, "relative"],
];
for (const [what, part, words] of refusals) {
  Deno.test(`imageMounts() refuses ${what}`, () => {
    assertThrows(() => ask({ ...good, ...part }), RpcError, words);
  });
}
