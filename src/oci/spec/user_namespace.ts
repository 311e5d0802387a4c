import { type IDMapping, NamespaceMode, type NamespaceOption } from "../../../proto/gen/runtime/v1/api.ts";
import { invalid } from "../refusal.ts";
import type { IdMapping, Linux } from "../spec.ts";
import type { ResolvedUser, UserNamespaceFacts } from "../types.ts";
import { idMappings, sameMappings } from "./id_mappings.ts";
import type { Section } from "./section.ts";

/**
 * The mappings of a pod's own user namespace, or undefined where it uses the node's. As the kubelet makes them: one range
 * of users and one of groups, both from 0 on. RpcError INVALID_ARGUMENT for others, and for a pod that wants the node's
 * PIDs or IPC, which its root could not use.
 */
export function podUserNamespace(
  options: NamespaceOption | undefined,
): { uids: IdMapping; gids: IdMapping } | undefined {
  const userns = options?.usernsOptions;
  const field = "namespace_options.userns_options";
  if (!userns || userns.mode === NamespaceMode.NODE) return undefined;
  if (userns.mode !== NamespaceMode.POD) {
    throw invalid(`${field}.mode`, `${NamespaceMode[userns.mode]}: it must be POD or NODE`);
  }
  for (const kind of ["pid", "ipc"] as const) {
    if (options![kind] !== NamespaceMode.NODE) continue;
    throw invalid(field, `a pod with a user namespace cannot use the node's ${kind.toUpperCase()} namespace`);
  }
  return { uids: onlyRange(`${field}.uids`, userns.uids), gids: onlyRange(`${field}.gids`, userns.gids) };
}

function onlyRange(field: string, requested: IDMapping[]): IdMapping {
  if (requested.length !== 1) throw invalid(field, `${requested.length} mappings; exactly one is taken`);
  const [mapping] = idMappings(field, requested);
  if (mapping.containerID !== 0) {
    throw invalid(field, `it begins at ${mapping.containerID}; it must begin at 0, so that there is a root`);
  }
  return mapping;
}

/** User namespace of a container: its pod's, which the request must not contradict. */
export function userNamespaceSection(section: Section): Pick<Linux, "uidMappings" | "gidMappings"> {
  const { input: { sandbox: { userns } }, security } = section;
  const field = "namespace_options.userns_options";
  if (security.namespaceOptions?.usernsOptions) {
    const wanted = podUserNamespace(security.namespaceOptions);
    const same = wanted === undefined || userns === undefined
      ? wanted === userns
      : sameMappings([wanted.uids], [userns.uids]) && sameMappings([wanted.gids], [userns.gids]);
    if (!same) throw invalid(field, "they are not those of the pod, and a container has its pod's user namespace");
  }
  return userns ? { uidMappings: [userns.uids], gidMappings: [userns.gids] } : {};
}

/** An ID that the namespace has not cannot be taken on: the runtime would only say "invalid argument". */
export function checkMapped({ uid, gid, additionalGids }: ResolvedUser, userns: UserNamespaceFacts | undefined): void {
  if (!userns) return;
  const check = (what: string, id: number, { size }: IdMapping) => {
    if (id < size) return;
    throw invalid(what, `${id} is not in the pod's user namespace, which has IDs from 0 to ${size - 1}`);
  };
  check("user", uid, userns.uids);
  for (const id of [gid, ...additionalGids]) check("group", id, userns.gids);
}
