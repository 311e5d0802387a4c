import type { PodSandboxConfig } from "../../proto/gen/runtime/v1/api.ts";
import type { LayerIdmap } from "../images/types.ts";
import { parseSysctl } from "../network/mod.ts";
import { podUserNamespace, type UserNamespaceFacts } from "../oci/mod.ts";
import { Code, RpcError } from "../rpc/status.ts";
import { type Kernel, S_IFIFO, S_IFMT } from "../sys/mod.ts";
import { admitGroup, dismissGroup } from "./admission.ts";
import type { Context } from "./context.ts";
import type { Job } from "./jobs.ts";
import type { SandboxRecord } from "./types.ts";

/** From here on only root of an IPC namespace's owner can set its sysctls. */
const IPC_SYSCTLS_OF_OWNER = [5, 19];

/** Takes IDs, which mean something else to root of the pod than to us. */
const PING_GROUPS = "/proc/sys/net/ipv4/ping_group_range";

/** The user namespace that a pod asks for. RpcError INVALID_ARGUMENT, or FAILED_PRECONDITION where this node has none. */
export async function wantedUserNamespace(
  context: Context,
  record: SandboxRecord,
  config: PodSandboxConfig,
): Promise<UserNamespaceFacts | undefined> {
  const mappings = podUserNamespace(config.linux?.securityContext?.namespaceOptions);
  if (!mappings) return undefined;
  const { name, path } = record.runtime;
  const features = await context.runtime.features(path);
  if (!features.userNamespaces || !(await context.images.facts()).idmapped) {
    throw new RpcError(
      Code.FAILED_PRECONDITION,
      `userns_options: ${
        features.userNamespaces
          ? "this kernel cannot show image layers through a user namespace (Linux 5.19 can)"
          : `user namespaces are beyond the runtime ${name} (${path})`
      }, so the pod can only use the node's`,
    );
  }
  return { path: `${context.config.state}/ns/${record.id}-user`, ...mappings };
}

/** Lines of uid_map and gid_map. */
export function mapsOf({ uids, gids }: UserNamespaceFacts): { uid: string; gid: string } {
  const line = ({ containerID, hostID, size }: UserNamespaceFacts["uids"]) => `${containerID} ${hostID} ${size}\n`;
  return { uid: line(uids), gid: line(gids) };
}

export function layerIdmap({ path, uids, gids }: UserNamespaceFacts): LayerIdmap {
  return {
    userns: path,
    uids: { host: uids.hostID, size: uids.size },
    gids: { host: gids.hostID, size: gids.size },
  };
}

/** Sysctls that we set when the namespaces are made, and those that only containers can set. */
export function splitSysctls(
  sysctls: Record<string, string>,
  { userns, netns }: Pick<SandboxRecord, "userns" | "netns">,
  kernelVersion: [number, number] = [0, 0],
): { ours: Record<string, string>; theirs: Record<string, string> } {
  const [major, minor] = IPC_SYSCTLS_OF_OWNER;
  const owned = kernelVersion[0] > major || (kernelVersion[0] === major && kernelVersion[1] >= minor);
  const isTheirs = ([name, value]: [string, string]) => {
    const { namespace, path } = parseSysctl(name, value);
    return namespace === "ipc" ? owned : path === PING_GROUPS && netns !== undefined;
  };
  const entries = Object.entries(sysctls);
  if (!userns) return { ours: sysctls, theirs: {} };
  return {
    ours: Object.fromEntries(entries.filter((entry) => !isTheirs(entry))),
    theirs: Object.fromEntries(entries.filter(isTheirs)),
  };
}

/** Opens the way from the file system's root to the pod's folders, and to those of its containers, for the pod's root. */
export function admitPod(context: Context, job: Job, record: SandboxRecord): void {
  const { kernel, config: { state } } = context;
  const gid = record.userns!.gids.hostID;
  job.undo("admission", { gid, sandboxId: record.id });
  for (const folder of waysIn(state)) if (kernel.exists(folder)) admitGroup(kernel, folder, gid);
  open(kernel, record.folder, gid);
}

export interface Owner {
  uid: number;
  gid: number;
}

/** Whom the way was opened for. */
export interface Admission {
  gid: number;
  sandboxId: string;
}

/** The way is closed again with the last pod of the group. */
export function dismissPod(
  { kernel, catalog, store, config: { state } }: Pick<Context, "kernel" | "catalog" | "store" | "config">,
  { gid, sandboxId }: Admission,
): void {
  for (const { id, record } of catalog.sandboxes.values()) {
    if (id !== sandboxId && record.userns?.gids.hostID === gid) return;
  }
  // One that is being made is only in the journal.
  for (const { kind, args } of store.journal()) {
    const other = args as Admission;
    if (kind === "admission" && other.gid === gid && other.sandboxId !== sandboxId) return;
  }
  for (const folder of waysIn(state)) dismissGroup(kernel, folder, gid);
}

/** Who a user of the pod is on the node. */
export function onNode({ uid, gid }: Owner, userns: UserNamespaceFacts | undefined): Owner {
  return { uid: uid + (userns?.uids.hostID ?? 0), gid: gid + (userns?.gids.hostID ?? 0) };
}

/**
 * Gives the pipes of a created container to its user, so that it can open /dev/stdout: runc tries it with the rights of the
 * user namespace, to which our pipes do not belong.
 */
export function giveOutputs(kernel: Kernel, pid: number, owner: Owner): void {
  for (const fd of [0, 1, 2]) {
    const path = `/proc/${pid}/fd/${fd}`;
    if ((kernel.stat(path).mode & S_IFMT) === S_IFIFO) kernel.chown(path, owner.uid, owner.gid);
  }
}

/** A folder of this pod alone. */
export function open(kernel: Kernel, folder: string, gid: number): void {
  kernel.chown(folder, 0, gid);
  kernel.chmod(folder, 0o710);
}

function waysIn(state: string): string[] {
  const parts = state.split("/").filter((part) => part !== "");
  const above = parts.map((_, index) => `/${parts.slice(0, index + 1).join("/")}`);
  return [...above, `${state}/rootfs`, `${state}/sandboxes`];
}
