import { invalid } from "./refusal.ts";
import type { Linux, Spec } from "./spec.ts";
import { cgroupAnnotations, identityAnnotations } from "./spec/annotations.ts";
import { deviceSection } from "./spec/devices.ts";
import { mountSection } from "./spec/mounts.ts";
import { namespaces } from "./spec/namespaces.ts";
import { absolutePath } from "./spec/paths.ts";
import { processSection } from "./spec/process.ts";
import { resourceSection } from "./spec/resources.ts";
import { seccomp } from "./spec/seccomp.ts";
import { newSection, type Section } from "./spec/section.ts";
import { selinuxLabels } from "./spec/selinux.ts";
import { resolveUser } from "./spec/user.ts";
import { checkMapped, userNamespaceSection } from "./spec/user_namespace.ts";
import type { BuiltSpec, SpecInput, SpecMeans } from "./types.ts";
import { lowestVersion } from "./version.ts";

/**
 * config.json for a container of a request (OCI runtime specification). Makes missing host paths of mounts and folders of
 * the image's VOLUMEs; nothing else is changed on the node. RpcError INVALID_ARGUMENT or UNIMPLEMENTED names the field.
 */
export function buildSpec(input: SpecInput, means: SpecMeans): BuiltSpec {
  const section = newSection(input, means);
  if (section.security.privileged && !input.sandbox.privileged) {
    throw invalid("security_context.privileged", "the pod sandbox is not privileged, so no container in it can be");
  }
  const account = resolveUser(section);
  checkMapped(account, input.sandbox.userns);
  const process = processSection(section, account);
  const { mounts, rootfsPropagation } = mountSection(section);
  const label = selinuxLabels(section)?.mount;
  const spec: Spec = {
    ociVersion: "",
    process,
    root: { path: input.rootfs, readonly: section.security.readonlyRootfs },
    ...(input.sandbox.utsns !== undefined && { hostname: input.sandbox.hostname }),
    mounts,
    annotations: { ...identityAnnotations(input), ...cgroupAnnotations(input.placement) },
    linux: {
      namespaces: namespaces(section),
      ...userNamespaceSection(section),
      ...(input.sandbox.sysctls && { sysctl: input.sandbox.sysctls }),
      ...deviceAndResources(section),
      cgroupsPath: input.placement.cgroupsPath,
      ...securityOf(section, process.capabilities!.bounding),
      ...(rootfsPropagation !== undefined && { rootfsPropagation }),
      ...(label !== undefined && { mountLabel: label }),
    },
  };
  spec.ociVersion = lowestVersion(spec);
  return {
    spec,
    user: { uid: account.uid, gid: account.gid, additionalGids: account.additionalGids },
    notes: section.notes,
  };
}

function deviceAndResources(section: Section): Pick<Linux, "devices" | "resources"> {
  const { devices, rules } = deviceSection(section);
  return { devices, resources: { devices: rules, ...resourceSection(section) } };
}

function securityOf(
  { security, kernel, input: { node }, notes }: Section,
  capabilities: string[],
): Pick<Linux, "seccomp" | "maskedPaths" | "readonlyPaths"> {
  const filter = seccomp(
    {
      profile: security.seccomp,
      deprecatedPath: security.seccompProfilePath,
      privileged: security.privileged,
      capabilities,
    },
    kernel,
    node,
    notes,
  );
  const hidden = (field: string, paths: string[]) =>
    security.privileged ? [] : paths.map((path) => absolutePath(field, path));
  return {
    ...(filter && { seccomp: filter }),
    maskedPaths: hidden("masked_paths", security.maskedPaths),
    readonlyPaths: hidden("readonly_paths", security.readonlyPaths),
  };
}
