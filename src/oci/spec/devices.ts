import type { Kernel, Stat } from "../../sys/kernel.ts";
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFMT } from "../../sys/mod.ts";
import { invalid, quote, unimplemented } from "../refusal.ts";
import type { Linux, Resources } from "../spec.ts";
import { resolveHostPath } from "./host_paths.ts";
import { absolutePath } from "./paths.ts";
import { unlessGone } from "../unless_gone.ts";
import type { Section } from "./section.ts";

type Device = NonNullable<Linux["devices"]>[number];
type DeviceRule = NonNullable<Resources["devices"]>[number];

export const DEVICES_MAX = 4096;

/** Below /dev, but of the pod's namespaces or mounts rather than the node's. */
const NOT_DEVICES: ReadonlySet<string> = new Set(["pts", "shm", "mqueue", "fd", "console", "core", "ptmx"]);

/** The nodes that the OCI specification has every container use, pseudo terminals, and the right to mknod. */
const DEFAULT_RULES: DeviceRule[] = [
  { allow: false, access: "rwm" },
  { allow: true, type: "c", access: "m" },
  { allow: true, type: "b", access: "m" },
  ...[[1, 3], [1, 5], [1, 7], [1, 8], [1, 9], [5, 0], [5, 1], [5, 2]]
    .map(([major, minor]) => ({ allow: true, type: "c", major, minor, access: "rwm" })),
  { allow: true, type: "c", major: 136, access: "rwm" },
];

export interface DeviceSection {
  devices: Device[];
  rules: DeviceRule[];
}

/** Device nodes of the request; a privileged container has all of the node's. */
export function deviceSection({ input: { config }, security, kernel }: Section): DeviceSection {
  const [cdi] = config.CDIDevices;
  if (cdi) throw unimplemented("CDI_devices", `${quote(cdi.name)} cannot be given: CDI is not supported`);
  if (security.privileged) {
    return { devices: nodesBelow(kernel, "/dev", "/dev"), rules: [{ allow: true, access: "rwm" }] };
  }
  const devices: Device[] = [];
  const rules = [...DEFAULT_RULES];
  for (const { hostPath, containerPath, permissions } of config.devices) {
    const field = `device ${quote(hostPath)}`;
    const access = permissions || "rwm";
    if (!/^(?!.*(.).*\1)[rwm]+$/.test(access)) {
      throw invalid(field, `permissions ${quote(permissions)} are not made of r, w and m`);
    }
    const path = absolutePath("host_path of a device", hostPath);
    for (
      const device of requested(
        kernel,
        field,
        path,
        absolutePath("container_path of a device", containerPath || hostPath),
      )
    ) {
      devices.push(device);
      rules.push({ allow: true, type: device.type, major: device.major, minor: device.minor, access });
    }
    if (devices.length > DEVICES_MAX) throw invalid("devices", `more than ${DEVICES_MAX} of them`);
  }
  return { devices, rules };
}

function requested(kernel: Kernel, field: string, path: string, containerPath: string): Device[] {
  const resolved = resolveHostPath(kernel, field, path);
  if (resolved === undefined) throw invalid(field, "it is not there on this node");
  const stat = kernel.stat(resolved);
  if ((stat.mode & S_IFMT) === S_IFDIR) return nodesBelow(kernel, resolved, containerPath);
  const device = deviceNode(stat, containerPath);
  if (!device) throw invalid(field, "it is neither a character or block device nor a folder");
  return [device];
}

/** Every device node below a folder of the node, symlinks not followed. */
function nodesBelow(kernel: Kernel, folder: string, containerPath: string): Device[] {
  const found: Device[] = [];
  const queue: [string, string][] = [[folder, containerPath]];
  for (let next = queue.shift(); next; next = queue.shift()) {
    const [from, to] = next;
    for (const { name, type } of kernel.readDirectory(from)) {
      if (from === "/dev" && NOT_DEVICES.has(name)) continue;
      if (type === "directory") queue.push([`${from}/${name}`, `${to}/${name}`]);
      if (type !== "other") continue;
      const stat = unlessGone(() => kernel.lstat(`${from}/${name}`));
      const device = stat && deviceNode(stat, `${to}/${name}`);
      if (device) found.push(device);
      if (found.length > DEVICES_MAX) throw invalid("devices", `more than ${DEVICES_MAX} below ${quote(folder)}`);
    }
  }
  return found;
}

function deviceNode(stat: Stat, path: string): Device | undefined {
  const kind = stat.mode & S_IFMT;
  if (kind !== S_IFCHR && kind !== S_IFBLK) return undefined;
  // The kernel's 64-bit dev_t, as glibc packs it.
  const major = Number(((stat.rdev >> 8n) & 0xfffn) | ((stat.rdev >> 32n) & ~0xfffn));
  const minor = Number((stat.rdev & 0xffn) | ((stat.rdev >> 12n) & ~0xffn));
  return {
    type: kind === S_IFCHR ? "c" : "b",
    path,
    major,
    minor,
    fileMode: stat.mode & 0o7777,
    uid: stat.uid,
    gid: stat.gid,
  };
}
