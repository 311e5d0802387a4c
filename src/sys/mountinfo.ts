import type { Kernel } from "./kernel.ts";
import { kernel as thisKernel } from "./libc.ts";

/** A line of /proc/self/mountinfo. */
export interface MountInfo {
  id: number;
  parent: number;
  /** MAJOR:MINOR. */
  device: string;
  /** What of the file system is mounted. */
  root: string;
  mountPoint: string;
  options: string[];
  /** `shared:N`, `master:N`, `propagate_from:N`, `unbindable`; empty for a private mount. */
  propagation: string[];
  type: string;
  source: string;
  superOptions: string[];
}

/** An overlay's options alone may fill a page, and a node has hundreds of them. */
const LIMIT = 64 << 20;

/** The kernel writes space, tab, newline and backslash as three octal digits. */
function unescape(field: string): string {
  if (!field.includes("\\")) return field;
  return field.replace(/\\([0-7]{3})/g, (_, digits) => String.fromCharCode(parseInt(digits, 8)));
}

/** One line of mountinfo, or undefined when it is not one. */
export function parseMountInfo(line: string): MountInfo | undefined {
  const fields = line.split(" ");
  // Optional fields end with a lone "-".
  const dash = fields.indexOf("-", 6);
  if (dash < 0 || fields.length < dash + 4) return undefined;
  return {
    id: Number(fields[0]),
    parent: Number(fields[1]),
    device: fields[2],
    root: unescape(fields[3]),
    mountPoint: unescape(fields[4]),
    options: fields[5].split(","),
    propagation: fields.slice(6, dash),
    type: fields[dash + 1],
    source: unescape(fields[dash + 2]),
    // A comma inside a value is escaped, too.
    superOptions: fields[dash + 3].split(",").map(unescape),
  };
}

/** The mounts at or below `prefix`, in the order in which they were made: undo them from the last to the first. */
export function mountsBelow(prefix: string, kernel: Kernel = thisKernel): MountInfo[] {
  const folder = prefix.endsWith("/") ? prefix : prefix + "/";
  const found: MountInfo[] = [];
  for (const line of kernel.readText("/proc/self/mountinfo", LIMIT).split("\n")) {
    const mount = parseMountInfo(line);
    if (mount && (mount.mountPoint + "/").startsWith(folder)) found.push(mount);
  }
  return found;
}
