import type { Config } from "../config/types.ts";
import type { Images } from "../images/types.ts";
import type { Network } from "../network/types.ts";
import type { CgroupDriver, CgroupPlacement, Monitor, NodeLimits, OciRuntime, RuntimeHandler } from "../oci/types.ts";
import type { Logger } from "../observe/types.ts";
import { Code, RpcError } from "../rpc/status.ts";
import { type Kernel, type ProcessIdentity, processIdentity } from "../sys/mod.ts";
import type { Catalog } from "./catalog.ts";
import type { EventKind, Events } from "./events.ts";
import type { Jobs } from "./jobs.ts";
import type { Statistics } from "./statistics.ts";
import type { Store } from "./store.ts";

/** What every operation on pods and containers works with. */
export interface Context {
  config: Config;
  kernel: Kernel;
  store: Store;
  catalog: Catalog;
  jobs: Jobs;
  images: Images;
  network: Network;
  runtime: OciRuntime;
  monitor: Monitor;
  cgroups: CgroupDriver;
  node: NodeLimits;
  statistics: Statistics;
  /** Runs at most a few things at once that start the OCI runtime on their own account: a node that is drained must not start a hundred. */
  limitRuntime: <T>(work: () => Promise<T>) => Promise<T>;
  events: Events;
  logger: Logger;
  bootId: string;
  /** The one cgroup of all monitors: outside every pod and outside the daemon's service. */
  monitorCgroup: CgroupPlacement;
  /** Runtimes by name, with absolute paths. */
  handlers: Map<string, RuntimeHandler>;
}

/** RpcError INVALID_ARGUMENT for a name that the configuration does not have. */
export function runtimeHandler(context: Context, name: string): RuntimeHandler {
  const handler = context.handlers.get(name || context.config.defaultRuntime);
  if (!handler) {
    throw new RpcError(
      Code.INVALID_ARGUMENT,
      `runtime handler ${JSON.stringify(name)}: not configured; this node has ${
        [...context.handlers.keys()].join(", ")
      }`,
    );
  }
  return handler;
}

export const sandboxFolder = (context: Context, id: string) => `${context.config.state}/sandboxes/${id}`;
export const containerFolder = (context: Context, id: string) => `${context.config.state}/containers/${id}`;

/** 256 random bits, as the field's tools expect an ID to look. */
export function newId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(32)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Nanoseconds since the epoch. */
export function nowNanoseconds(): bigint {
  return BigInt(Math.round((performance.timeOrigin + performance.now()) * 1000)) * 1000n;
}

/** Tells subscribers of GetContainerEvents. For a pod itself `id` is the pod's, which must still be in the catalog. */
export function emit(context: Context, kind: EventKind, id: string, sandboxId: string): void {
  const sandbox = context.catalog.sandboxes.get(sandboxId);
  context.events.emit({ kind, id, sandboxId, sandbox, at: nowNanoseconds() });
}

/** A process that was just made; RpcError INTERNAL if it is gone already. */
export function identify(pid: number, id: string): ProcessIdentity {
  const identity = processIdentity(pid);
  if (!identity) throw new RpcError(Code.INTERNAL, `container ${id}: process ${pid} ended right after it was made`);
  return identity;
}
