import type { CgroupPlacement, SpecInput } from "../types.ts";

/** crun would make one more cgroup in a scope, called `container`: the scope itself is the container's, as runc has it. */
export const NO_SUBGROUP = ["run.oci.systemd.subgroup", ""] as const;

/** What the runtime is told besides by the container's cgroup, where systemd makes that. */
export function cgroupAnnotations({ unit }: CgroupPlacement): Record<string, string> {
  return unit === undefined ? {} : Object.fromEntries([NO_SUBGROUP]);
}

/**
 * What a runtime may know of the container. Built from the request's identity alone: annotations of pods, containers and
 * images never reach config.json, where some runtimes take orders from them (org.systemd.property.*, run.oci.*).
 */
export function identityAnnotations(
  { id, config, sandbox }: Pick<SpecInput, "id" | "config" | "sandbox">,
): Record<string, string> {
  return {
    ...sandboxAnnotations(sandbox),
    "io.kubernetes.cri.container-type": "container",
    "io.kubernetes.cri.container-id": id,
    "io.kubernetes.cri.container-name": config.metadata?.name ?? "",
    "io.kubernetes.cri.image-name": config.image?.userSpecifiedImage || config.image?.image || "",
  };
}

export function sandboxAnnotations(
  { id, config }: Pick<SpecInput["sandbox"], "id" | "config">,
): Record<string, string> {
  return {
    "io.kubernetes.cri.container-type": "sandbox",
    "io.kubernetes.cri.sandbox-id": id,
    "io.kubernetes.cri.sandbox-name": config.metadata?.name ?? "",
    "io.kubernetes.cri.sandbox-namespace": config.metadata?.namespace ?? "",
    "io.kubernetes.cri.sandbox-uid": config.metadata?.uid ?? "",
  };
}
