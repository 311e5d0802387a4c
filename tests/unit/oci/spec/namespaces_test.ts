import { assertEquals, assertThrows } from "@std/assert";
import { NamespaceMode } from "../../../../proto/gen/runtime/v1/api.ts";
import { RpcError } from "../../../../src/rpc/status.ts";
import { namespaces } from "../../../../src/oci/spec/namespaces.ts";
import { newSection } from "../../../../src/oci/spec/section.ts";
import { means, request, type RequestChanges, USERNS } from "../support/requests.ts";

function ask(changes: RequestChanges): string[] {
  return namespaces(newSection(request("/", changes), means)).map(({ type, path }) =>
    path === undefined ? type : `${type}=${path}`
  );
}

const pid = (mode: NamespaceMode) => ({ security: { namespaceOptions: { pid: mode } } });

const POD = ["network=/run/netns/pod1", "ipc=/run/skiff/ns/pod1-ipc", "uts=/run/skiff/ns/pod1-uts"];

const table: [string, RequestChanges, string[]][] = [
  ["joins the pod's, with pid and mount namespaces of its own", pid(NamespaceMode.CONTAINER), ["pid", ...POD, "mount"]],
  ["leaves out the node's", {
    ...pid(NamespaceMode.NODE),
    sandbox: { netns: undefined, ipcns: undefined, utsns: undefined },
  }, ["mount"]],
  ["joins the pod's pid namespace", { ...pid(NamespaceMode.POD), sandbox: { pidns: "/proc/7/ns/pid" } }, [
    "pid=/proc/7/ns/pid",
    ...POD,
    "mount",
  ]],
  ["joins the pod's pid namespace where the request has no options", {
    security: { namespaceOptions: undefined },
    sandbox: { pidns: "/proc/7/ns/pid" },
  }, ["pid=/proc/7/ns/pid", ...POD, "mount"]],
  ["makes a pid namespace where the pod has none", pid(NamespaceMode.POD), ["pid", ...POD, "mount"]],
  ["joins the target's pid namespace", { ...pid(NamespaceMode.TARGET), input: { targetPidns: "/proc/8/ns/pid" } }, [
    "pid=/proc/8/ns/pid",
    ...POD,
    "mount",
  ]],
  ["adds a cgroup namespace on v2", { ...pid(NamespaceMode.CONTAINER), node: { cgroupVersion: 2 } }, [
    "pid",
    ...POD,
    "mount",
    "cgroup",
  ]],
  [
    "gives a privileged container the node's cgroup namespace",
    { security: { privileged: true, namespaceOptions: { pid: NamespaceMode.CONTAINER } }, node: { cgroupVersion: 2 } },
    ["pid", ...POD, "mount"],
  ],
];
for (const [name, changes, expected] of table) {
  Deno.test(`namespaces() ${name}`, () => assertEquals(ask(changes), expected));
}

Deno.test("namespaces() refuses a target without a process", () => {
  assertThrows(() => ask(pid(NamespaceMode.TARGET)), RpcError, "target_id");
});

Deno.test("namespaces() joins the pod's user namespace first", () => {
  const asked = ask({ ...pid(NamespaceMode.CONTAINER), sandbox: { userns: USERNS } });
  assertEquals(asked, ["pid", "user=/run/skiff/ns/pod1-user", ...POD, "mount"]);
});
