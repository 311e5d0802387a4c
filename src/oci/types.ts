import type { ImageDefaults } from "../images/types.ts";
import type { Config } from "../config/types.ts";
import type { Kernel } from "../sys/kernel.ts";
import type { ExecOnTerminal, ExecProcess, ExecStdio } from "./exec_stream.ts";
import type { IdMapping, Spec } from "./spec.ts";
import type { TerminalSize } from "./terminal.ts";
import type { ContainerConfig, LinuxContainerResources, PodSandboxConfig } from "../../proto/gen/runtime/v1/api.ts";

/** One entry of the `runtimes` map of the configuration; stored with every container, so that a changed config never orphans one. */
export interface RuntimeHandler {
  name: string;
  /** Absolute path of runc or crun. */
  path: string;
  /** Folder for the runtime's own state (`--root`). */
  root: string;
  /** Absolute path of conmon. */
  conmon: string;
  cgroupDriver: CgroupDriver["name"];
}

/** Where a container's cgroup is, in every form that somebody needs. */
export interface CgroupPlacement {
  /** For config.json. */
  cgroupsPath: string;
  /** Real directory per controller: v2: `{ "": "/sys/fs/cgroup/kubepods/…" }`; v1: `{ memory: "/sys/fs/cgroup/memory/…", … }`. */
  paths: Record<string, string>;
  /** Below the mount points, where `cgroupsPath` has another form: systemd's. */
  path?: string;
  /** The slice or scope that this is, where systemd has it. */
  unit?: string;
}

/** How much processor and disk time a cgroup gets beside others: background is a tenth of the usual. */
export type CgroupShare = "background";

export interface CgroupDriver {
  readonly name: "cgroupfs" | "systemd";
  readonly version: 1 | 2;
  /** Controllers that are mounted (v1) or enabled at the root (v2). */
  readonly controllers: Set<string>;
  /** Path below the mount points of a pod's cgroup_parent (empty: the configured default). RpcError INVALID_ARGUMENT. */
  parentOf(requested: string): string;
  /** Placement of the cgroup `id` below `parent` (the pod's cgroup_parent; empty: the configured default). */
  place(parent: string, id: string): CgroupPlacement;
  /** Placement of a parent itself, by its path below the mount points. */
  placeParent(path: string): CgroupPlacement;
  /** Makes the cgroup in every hierarchy. systemd: only a parent can be made. */
  create(placement: CgroupPlacement, share?: CgroupShare): void | Promise<void>;
  /**
   * Moves a process; throws Errno ESRCH if it has ended. systemd: into a scope of its own below this parent, which ends
   * with the last process in it; `name` is the scope's, and the process must not be in one of that name already.
   */
  attach(placement: CgroupPlacement, pid: number, name?: string): Promise<void>;
  /** Kills what is left inside (cgroup.kill or by pid) and removes the directories, children first; not there is fine. */
  remove(placement: CgroupPlacement): Promise<void>;
  /** Removes the cgroup if nothing is in it: no process, no cgroup below. */
  removeEmpty(placement: CgroupPlacement): void | Promise<void>;
  exists(placement: CgroupPlacement): boolean;
  /** Pids in the cgroup and below. */
  processes(placement: CgroupPlacement): number[];
  /** True once the kernel has killed something in there for memory (memory.events oom_kill, or v1 memory.oom_control oom_kill). */
  oomKilled(placement: CgroupPlacement): boolean;
}

/** The pod's side of a container: pinned namespaces and files, all of them absolute paths. */
export interface SandboxFacts {
  id: string;
  /** Undefined: the host's. */
  netns?: string;
  ipcns?: string;
  utsns?: string;
  /** /proc/PID/ns/pid of the pause process, where the pod shares its pid namespace. */
  pidns?: string;
  hostname: string;
  resolvConf: string;
  hosts: string;
  hostnameFile: string;
  /** Undefined: the host's /dev/shm. */
  shm?: string;
  cgroupParent: string;
  privileged: boolean;
  /** Undefined: the node's. */
  userns?: UserNamespaceFacts;
  /** What only root of the pod's own user namespace can set: each container does. */
  sysctls?: Record<string, string>;
  config: PodSandboxConfig;
}

/** A pod's own user namespace. */
export interface UserNamespaceFacts {
  path: string;
  /** From 0 on. */
  uids: IdMapping;
  gids: IdMapping;
}

/** What a runtime can do, as it says itself. */
export interface RuntimeFeatures {
  recursiveReadOnlyMounts: boolean;
  /** `uidMappings` and `gidMappings` of mounts. */
  idmappedMounts: boolean;
  userNamespaces: boolean;
}

export interface SpecInput {
  id: string;
  config: ContainerConfig;
  sandbox: SandboxFacts;
  image: ImageDefaults;
  /** Mounted root of the container. */
  rootfs: string;
  placement: CgroupPlacement;
  /** What this node can do, found once at start. */
  node: NodeLimits;
  runtime: RuntimeHandler;
  features: RuntimeFeatures;
  /** Where the images of the request's mounts are mounted, by the mount's index. */
  imageVolumes?: ReadonlyMap<number, string>;
  /** Host path of the target container's pid namespace for NamespaceMode.TARGET. */
  targetPidns?: string;
}

/** What the daemon itself has: nothing a container asks for may exceed it. */
export interface NodeLimits {
  /** Names in the daemon's bounding set, e.g. "CAP_CHOWN". */
  capabilities: string[];
  /** The lowest oom_score_adj that can be written here. */
  minOomScoreAdj: number;
  rlimits: Record<string, { soft: number; hard: number }>;
  /** Controllers that are mounted. */
  controllers: Set<string>;
  cgroupVersion: 1 | 2;
  seccomp: boolean;
  apparmor: boolean;
  selinux: boolean;
  /** The memory controller can limit memory and swap together (v1 memsw, v2 memory.swap.max). */
  swapAccounting?: boolean;
  /** Release of the running kernel, e.g. [6, 18]: some seccomp rules depend on it. */
  kernelVersion?: [number, number];
}

/** What buildSpec works with besides the request. */
export interface SpecMeans {
  kernel: Kernel;
  config: Pick<Config, "defaultEnv" | "pidsLimit">;
}

export interface BuiltSpec {
  spec: Spec;
  user: ResolvedUser;
  /** What was asked for but has no effect on this node, a sentence each: for the log and the verbose status. */
  notes: string[];
}

/** A plain function that may change the spec or refuse (throw an RpcError). Runs in a fixed order after buildSpec. */
export type Adjuster = (spec: Spec, input: SpecInput) => void;

/** What ContainerStatus reports of the user: as resolved against the image's passwd and group. */
export interface ResolvedUser {
  uid: number;
  gid: number;
  additionalGids: number[];
}

export interface ExecResult {
  stdout: Uint8Array;
  stderr: Uint8Array;
  exitCode: number;
}

/** runc or crun, by its command line. Every failure says the verb, the container, and the runtime's own last words. */
export interface OciRuntime {
  start(handler: RuntimeHandler, id: string): Promise<void>;
  /** Signal to the container's first process, or to all. A process that is gone is not an error. */
  kill(handler: RuntimeHandler, id: string, signal: number, all?: boolean): Promise<void>;
  /** `delete --force`; not there is fine. */
  delete(handler: RuntimeHandler, id: string): Promise<void>;
  state(handler: RuntimeHandler, id: string): Promise<{ status: string; pid: number } | undefined>;
  update(handler: RuntimeHandler, id: string, resources: LinuxContainerResources, node: NodeLimits): Promise<void>;
  /**
   * `timeout` in seconds, 0: none. Timeout: RpcError DEADLINE_EXCEEDED after everything that it started is dead.
   * stdout+stderr stay under `limit` bytes. `owner`: the command's user as the node knows it, who may open its outputs.
   */
  execSync(
    handler: RuntimeHandler,
    id: string,
    description: Spec["process"],
    timeout: number,
    limit: number,
    owner?: { uid: number; gid: number },
  ): Promise<ExecResult>;
  /** Starts a command whose input and output are the caller's. Rejects when the runtime itself cannot be started. */
  exec(handler: RuntimeHandler, id: string, command: Spec["process"], stdio: ExecStdio): Promise<ExecProcess>;
  /** Starts a command on a terminal, which has `size` from the start. Rejects when the runtime itself cannot be started. */
  execOnTerminal(
    handler: RuntimeHandler,
    id: string,
    command: Spec["process"],
    size?: TerminalSize,
  ): Promise<ExecOnTerminal>;
  /** `--version` line, asked once per path. */
  version(path: string): Promise<string>;
  /** What the runtime can do, asked once per path. One that cannot be asked can do nothing. */
  features(path: string): Promise<RuntimeFeatures>;
}

export interface MonitorCreate {
  handler: RuntimeHandler;
  id: string;
  /** Folder with config.json; pidfile, conmon-pidfile, ctl, attach link go here too. */
  bundle: string;
  logPath: string;
  terminal: boolean;
  stdin: boolean;
  leaveStdinOpen: boolean;
  /** Cgroup that conmon itself goes into: outside the pod's and the daemon's. */
  conmonCgroup: CgroupPlacement;
  signal?: AbortSignal;
}

/** conmon: one per container, outlives the daemon; writes the log and the exit file. */
export interface Monitor {
  /** Starts conmon, which runs `runtime create`. Returns once the container is created (not started). */
  create(request: MonitorCreate): Promise<{ pid: number; conmonPid: number }>;
  /** Content of the exit file if the container has ended. */
  exit(id: string): { code: number; finishedAt: bigint; oomKilled: boolean } | undefined;
  /** Calls back with the id each time an exit file appears; also rescans every few seconds, so a lost event is only late. */
  watch(onExit: (id: string) => void): AsyncDisposable;
  /** Through conmon's ctl fifo. With `logPath` it waits until that file is there again. RpcError FAILED_PRECONDITION: conmon has ended. */
  reopenLog(bundle: string, logPath?: string): Promise<void>;
  /** Size of the container's own terminal, through conmon's ctl fifo. */
  resizeTerminal(bundle: string, rows: number, columns: number): Promise<void>;
  /** Removes exit file, attach link, persist folder. */
  forget(id: string): Promise<void>;
}
