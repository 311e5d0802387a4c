/** A folder of tests, and what it takes to run it. */
export interface Suite {
  /** The folder below tests/. */
  name: string;
  /** Nothing in it works without root. Suites that can do without skip single tests, which say so in their names. */
  needsRoot: boolean;
  /** `core` runs always; `full` with --full or by name: it takes minutes; `part`: so does this, but some of it runs always. */
  when: "core" | "part" | "full";
  /** Its files have nothing in common that they could get in each other's way with. */
  parallel?: boolean;
  says: string;
}

export const suites: readonly Suite[] = [
  { name: "unit", needsRoot: false, when: "core", parallel: true, says: "each file of src by itself; mirrors src" },
  { name: "rpc", needsRoot: false, when: "core", says: "gRPC and HTTP/2: a Go client, grpc-js, h2spec" },
  { name: "cri", needsRoot: true, when: "core", says: "every CRI call against the compiled binary" },
  {
    name: "cli",
    needsRoot: true,
    when: "core",
    says: "skiff's own commands, signals, exit codes, reload, on the compiled binary",
  },
  { name: "crictl", needsRoot: true, when: "core", says: "crictl against the compiled binary, with runc and crun" },
  {
    name: "registry",
    needsRoot: true,
    when: "core",
    says:
      "registries with TLS, passwords, tokens, client certificates, mirrors, proxies and faults, on the compiled binary",
  },
  {
    name: "layers",
    needsRoot: true,
    when: "core",
    says:
      "good and hostile layers and images of several, mounted by the compiled binary and by containerd; old kernels",
  },
  {
    name: "fuzz",
    needsRoot: false,
    when: "core",
    says:
      "what reads the bytes of others, fed with damaged ones; with --full ten minutes of CPU and a million inputs each",
  },
  { name: "streaming", needsRoot: false, when: "core", says: "exec, attach and port-forward over SPDY and WebSocket" },
  {
    name: "critest",
    needsRoot: true,
    when: "core",
    says: "the field's conformance suite, with runc and crun; with --full in three orders each",
  },
  {
    name: "guest",
    needsRoot: true,
    when: "full",
    says: "the compiled binary in emulated machines: Linux 6.1, cgroup v2 alone, every capability; under systemd",
  },
  {
    name: "guest_cluster",
    needsRoot: true,
    when: "full",
    says: "a whole Kubernetes cluster in the same machines, with the cgroup driver of each",
  },
  {
    name: "kubelet",
    needsRoot: true,
    when: "part",
    says:
      "a whole Kubernetes cluster on the compiled binary, seen through kubectl: some checks always, by name nearly all, with --full long ones, crun and Kubernetes' own tests of a node, too",
  },
  {
    name: "faults",
    needsRoot: true,
    when: "full",
    says: "kill -9, power cuts, slow and failing programs, hostile input",
  },
];
