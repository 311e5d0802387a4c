import { NamespaceMode } from "../../../proto/gen/runtime/v1/api.ts";
import { invalid } from "../refusal.ts";
import type { Linux } from "../spec.ts";
import type { Section } from "./section.ts";

type Namespace = Linux["namespaces"][number];

/** Namespaces: the pod's pinned ones are joined by path; what is not listed is the host's. */
export function namespaces(section: Section): Namespace[] {
  const { input: { sandbox, node }, security } = section;
  const joined: [Namespace["type"], string | undefined][] = [
    ["user", sandbox.userns?.path],
    ["network", sandbox.netns],
    ["ipc", sandbox.ipcns],
    ["uts", sandbox.utsns],
  ];
  return [
    ...pidNamespace(section),
    ...joined.flatMap(([type, path]) => path === undefined ? [] : [{ type, path }]),
    { type: "mount" },
    ...(node.cgroupVersion === 2 && !security.privileged ? [{ type: "cgroup" } as const] : []),
  ];
}

function pidNamespace({ input: { sandbox, targetPidns }, security, notes }: Section): Namespace[] {
  // POD is the enum's zero: a request that says nothing means the same as one that says so.
  switch (security.namespaceOptions?.pid ?? NamespaceMode.POD) {
    case NamespaceMode.NODE:
      return [];
    case NamespaceMode.CONTAINER:
      return [{ type: "pid" }];
    case NamespaceMode.TARGET:
      if (targetPidns === undefined) {
        throw invalid("namespace_options.target_id", "the target container has no running process");
      }
      return [{ type: "pid", path: targetPidns }];
    case NamespaceMode.POD:
      if (sandbox.pidns !== undefined) return [{ type: "pid", path: sandbox.pidns }];
      notes.push("the pod was not made with a shared PID namespace: the container has one of its own");
      return [{ type: "pid" }];
    default:
      throw invalid("namespace_options.pid", "it is none of POD, CONTAINER, NODE, TARGET");
  }
}
