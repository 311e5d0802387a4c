import type { SpecInput } from "../types.ts";

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
