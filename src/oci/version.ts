import type { Spec } from "./spec.ts";

/**
 * The lowest version of the OCI runtime specification that describes the spec: older runtimes refuse a version that they
 * do not know, whatever is in it.
 */
export function lowestVersion(spec: Spec): string {
  const needs11 = spec.domainname !== undefined ||
    spec.mounts.some(({ options, uidMappings, gidMappings }) => uidMappings || gidMappings || options.includes("rro"));
  return needs11 ? "1.1.0" : "1.0.2";
}
