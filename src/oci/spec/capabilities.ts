import { CAPABILITIES } from "../../sys/mod.ts";
import { invalid, quote } from "../refusal.ts";
import type { Capabilities } from "../spec.ts";
import type { Section } from "./section.ts";

/** What a container has when its request says nothing: the set that Docker documents and that images expect. */
export const DEFAULT_CAPABILITIES: readonly string[] = [
  "CAP_AUDIT_WRITE",
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_FOWNER",
  "CAP_FSETID",
  "CAP_KILL",
  "CAP_MKNOD",
  "CAP_NET_BIND_SERVICE",
  "CAP_NET_RAW",
  "CAP_SETFCAP",
  "CAP_SETGID",
  "CAP_SETPCAP",
  "CAP_SETUID",
  "CAP_SYS_CHROOT",
];

const ALL = "CAP_ALL";
const KNOWN: ReadonlySet<string> = new Set(CAPABILITIES);

/**
 * Capability sets. Inheritable is empty unless ambient capabilities were asked for (they need it): otherwise a non-root
 * process could gain capabilities through a file's inheritable set. For a non-root user the kernel clears permitted and
 * effective at exec.
 */
export function capabilities(section: Section): Capabilities {
  const { security, input: { node }, notes } = section;
  const { addCapabilities: add, dropCapabilities: drop, addAmbientCapabilities } = security.capabilities ??
    { addCapabilities: [], dropCapabilities: [], addAmbientCapabilities: [] };
  const added = add.map((name) => parseName("add_capabilities", name));
  const dropped = drop.map((name) => parseName("drop_capabilities", name));
  const ambientNames = addAmbientCapabilities.map((name) => parseName("add_ambient_capabilities", name));
  const available = new Set(node.capabilities);
  const sorted = (names: Iterable<string>) => node.capabilities.filter((name) => new Set(names).has(name));

  if (security.privileged) return sets(node.capabilities, []);

  let wanted = new Set(added.includes(ALL) ? node.capabilities : DEFAULT_CAPABILITIES);
  if (dropped.includes(ALL)) wanted = new Set();
  for (const name of [...added, ...ambientNames]) if (name !== ALL) wanted.add(name);
  for (const name of dropped) wanted.delete(name);
  const ambient = ambientNames.includes(ALL) ? [...wanted] : ambientNames.filter((name) => wanted.has(name));
  for (const name of new Set([...added, ...ambientNames])) {
    if (name !== ALL && !available.has(name)) {
      notes.push(`capability ${name} is not given: skiff does not have it itself`);
    }
  }
  return sets(sorted(wanted), sorted(ambient));
}

function sets(full: string[], ambient: string[]): Capabilities {
  return {
    bounding: [...full],
    effective: [...full],
    permitted: [...full],
    inheritable: [...ambient],
    ambient: [...ambient],
  };
}

function parseName(field: string, name: string): string {
  const upper = name.toUpperCase();
  const full = upper.startsWith("CAP_") ? upper : `CAP_${upper}`;
  if (full !== ALL && !KNOWN.has(full)) throw invalid(field, `${quote(name)} is not a capability`);
  return full;
}
