/**
 * Ways to break a runtime: what is changed in a container's config.json before the real one reads it. Each check must be
 * seen to fail with one of them, or it looks at nothing.
 */

// deno-lint-ignore no-explicit-any
type Spec = any;

/** Every namespace of a container is its own. */
const namespaces = ["network", "ipc", "uts", "pid", "mount"];

/** The container's program behind a shell that does `text` with it: `"$0" "$@"` is the program. */
function behind(spec: Spec, text: string): void {
  spec.process.args = ["/bin/sh", "-c", text, ...spec.process.args];
}

function setCapabilities(spec: Spec, names: string[]): void {
  spec.process.capabilities = { bounding: names, effective: names, permitted: names };
}

function isBind({ type, options = [] }: { type?: string; options?: string[] }): boolean {
  return type === "bind" || options.includes("bind") || options.includes("rbind");
}

function eachMount(spec: Spec, change: (options: string[]) => string[]): void {
  for (const mount of spec.mounts) mount.options = change(mount.options ?? []);
}

/** By the name that says what is missing. */
export const breakages: Record<string, (spec: Spec) => void> = {
  /** Variables of the pod and the image. */
  variables(spec) {
    spec.process.env = spec.process.env.filter((line: string) => /^(PATH|TERM|HOME)=/.test(line));
  },
  /** What the container writes. */
  output(spec) {
    behind(spec, 'exec "$0" "$@" >/dev/null 2>&1');
  },
  /** The exit code: a good one becomes a bad one, and the other way round. */
  "exit code"(spec) {
    behind(spec, '"$0" "$@"; [ $? != 0 ]');
  },
  /** The program: it ends at once. */
  program(spec) {
    spec.process.args = ["/bin/true"];
  },
  /** All but the program's name. */
  arguments(spec) {
    spec.process.args = spec.process.args.slice(0, 1);
  },
  /** Signals that a program could catch: a shell cannot trap what was ignored when it began. */
  signals(spec) {
    behind(spec, 'trap "" TERM INT USR1 USR2; exec "$0" "$@"');
  },
  /** Volumes and the files of the pod. */
  mounts(spec) {
    spec.mounts = spec.mounts.filter((mount: { type?: string }) => !isBind(mount));
  },
  "read-only mounts"(spec) {
    eachMount(spec, (options) => options.filter((option) => option !== "ro" && option !== "rro"));
  },
  "writable mounts"(spec) {
    eachMount(spec, (options) => [...options.filter((option) => option !== "rw"), "ro"]);
  },
  propagation(spec) {
    eachMount(spec, (options) => options.map((option) => option.replace(/^r(slave|shared)$/, "rprivate")));
  },
  /** User and groups. */
  user(spec) {
    spec.process.user = { uid: 0, gid: 0 };
  },
  "user namespace"(spec) {
    delete spec.linux.uidMappings;
    delete spec.linux.gidMappings;
    spec.linux.namespaces = spec.linux.namespaces.filter(({ type }: { type: string }) => type !== "user");
    for (const mount of spec.mounts) for (const key of ["uidMappings", "gidMappings"]) delete mount[key];
  },
  limits(spec) {
    const { devices } = spec.linux.resources ?? {};
    spec.linux.resources = { devices };
    delete spec.process.oomScoreAdj;
  },
  /** The place below the pod's cgroup: the container's is still one of the cluster's own. */
  cgroup(spec) {
    spec.linux.cgroupsPath = spec.linux.cgroupsPath.replace(/^(\/[^/]+)\/.*\//, "$1/elsewhere/");
  },
  /** The pod's limits, too. */
  "limits and cgroup"(spec) {
    breakages.limits(spec);
    breakages.cgroup(spec);
  },
  /** The pod's namespaces, or the node's. */
  "shared namespaces"(spec) {
    const kept = spec.linux.namespaces.filter(({ type }: { type: string }) => !namespaces.includes(type));
    spec.linux.namespaces = [...kept, ...namespaces.map((type) => ({ type }))];
    delete spec.linux.sysctl;
    spec.hostname = "elsewhere";
  },
  /** Everything that keeps a container from something. */
  confinement(spec) {
    const all = ["NET_ADMIN", "SYS_ADMIN", "MKNOD", "NET_BIND_SERVICE", "SYS_PTRACE", "SYS_RAWIO", "DAC_OVERRIDE"];
    setCapabilities(spec, all.map((name) => `CAP_${name}`));
    spec.root.readonly = false;
    spec.process.noNewPrivileges = false;
    spec.linux.maskedPaths = [];
    spec.linux.readonlyPaths = [];
    delete spec.linux.seccomp;
    if (spec.linux.resources) spec.linux.resources.devices = [{ allow: true, access: "rwm" }];
  },
  /** Everything that lets a container do something. */
  privileges(spec) {
    setCapabilities(spec, []);
    spec.linux.maskedPaths = ["/proc/keys", "/proc/timer_list"];
    spec.linux.readonlyPaths = ["/proc/sys"];
    spec.linux.resources = { ...spec.linux.resources, devices: [{ allow: false, access: "rwm" }] };
  },
};
