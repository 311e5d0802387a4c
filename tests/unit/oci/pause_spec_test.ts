import { assertEquals, assertThrows } from "@std/assert";
import { PodSandboxConfig } from "../../../proto/gen/runtime/v1/api.ts";
import { buildPauseSpec, type PauseInput } from "../../../src/oci/mod.ts";
import { RpcError } from "../../../src/rpc/status.ts";
import { node } from "./support/requests.ts";

function input(securityContext: Record<string, unknown> = {}, changes: Partial<PauseInput> = {}): PauseInput {
  return {
    id: "pod1-pause",
    config: PodSandboxConfig.fromPartial({ metadata: { name: "web" }, linux: { securityContext } }),
    hostname: "web-0",
    root: "/run/skiff/pause",
    placement: { cgroupsPath: "/kubepods/pod1/pod1-pause", paths: {} },
    node: node(),
    netns: "/run/netns/pod1",
    ...changes,
  };
}

Deno.test("buildPauseSpec() gives the pause process nothing but a pid namespace to hold", () => {
  const { process, root, linux, mounts } = buildPauseSpec(input());
  assertEquals([process.args, process.user, process.oomScoreAdj, process.noNewPrivileges], [
    ["/pause"],
    { uid: 65535, gid: 65535 },
    -998,
    true,
  ]);
  assertEquals(Object.values(process.capabilities!).flat(), []);
  assertEquals([root.readonly, mounts.map(({ destination }) => destination)], [true, ["/proc", "/dev"]]);
  assertEquals(linux.namespaces, [{ type: "pid" }, { type: "network", path: "/run/netns/pod1" }, { type: "mount" }]);
});

Deno.test("buildPauseSpec() takes the pod's user and clamps oom_score_adj", () => {
  const { process } = buildPauseSpec(
    input({ runAsUser: { value: 7n }, runAsGroup: { value: 8n } }, { node: node({ minOomScoreAdj: 0 }) }),
  );
  assertEquals([process.user, process.oomScoreAdj], [{ uid: 7, gid: 8 }, 0]);
  assertThrows(() => buildPauseSpec(input({ runAsUser: { value: 4294967296n } })), RpcError, "run_as_user");
});

Deno.test("buildPauseSpec() filters the calls of the pause process as the pod asks", () => {
  assertEquals(buildPauseSpec(input()).linux.seccomp, undefined);
  assertEquals(
    (buildPauseSpec(input({ seccomp: { profileType: 0 } })).linux.seccomp as { defaultAction: string }).defaultAction,
    "SCMP_ACT_ERRNO",
  );
});
