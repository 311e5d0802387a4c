import { invalid, quote } from "../refusal.ts";
import type { Section } from "./section.ts";

/** Labels of the process and of the mounts, where the request names options and the node has SELinux. */
export function selinuxLabels({ security, input: { node } }: Section): { process: string; mount: string } | undefined {
  const options = security.selinuxOptions;
  if (!options || !node.selinux || security.privileged) return undefined;
  for (const [field, value] of Object.entries(options)) {
    if (!/^[A-Za-z0-9_.,:-]*$/.test(value)) {
      throw invalid(`selinux_options.${field}`, `${quote(value)} is not a part of an SELinux label`);
    }
  }
  const level = options.level || "s0";
  return {
    process: [options.user || "system_u", options.role || "system_r", options.type || "container_t", level].join(":"),
    mount: ["system_u", "object_r", "container_file_t", level].join(":"),
  };
}
