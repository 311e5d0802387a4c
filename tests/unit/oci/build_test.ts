import { assertEquals, assertThrows } from "@std/assert";
import {
  MountPropagation,
  NamespaceMode,
  SecurityProfile_ProfileType as ProfileType,
} from "../../../proto/gen/runtime/v1/api.ts";
import { adjust, ADJUSTERS, buildSpec, type Spec, validateSpec } from "../../../src/oci/mod.ts";
import { Code, RpcError } from "../../../src/rpc/status.ts";
import { means, request, type RequestChanges, withFolder } from "./support/requests.ts";

const GOLDEN = new URL("./golden/", import.meta.url);

/** Compares with golden/NAME.json; with UPDATE_GOLDEN set it writes the file instead. */
function assertGolden(name: string, spec: Spec, rootfs: string): void {
  const text = JSON.stringify(spec, null, 2).replaceAll(rootfs, "/ROOTFS") + "\n";
  const file = new URL(`${name}.json`, GOLDEN);
  if (Deno.env.has("UPDATE_GOLDEN")) Deno.writeTextFileSync(file, text);
  assertEquals(JSON.parse(text), JSON.parse(Deno.readTextFileSync(file)));
}

const golden: [string, RequestChanges][] = [
  ["plain", {}],
  [
    "restricted",
    {
      config: {
        envs: [{ key: "A", value: new TextEncoder().encode("1") }],
        mounts: [{ containerPath: "/data", hostPath: "/tmp", readonly: true }],
        tty: true,
      },
      security: {
        runAsUser: { value: 1000n },
        runAsGroup: { value: 2000n },
        supplementalGroups: [3000n],
        readonlyRootfs: true,
        noNewPrivs: true,
        capabilities: { dropCapabilities: ["ALL"] },
        maskedPaths: ["/proc/kcore", "/proc/keys"],
        readonlyPaths: ["/proc/sys"],
      },
      resources: {
        cpuShares: 102n,
        cpuQuota: 10000n,
        cpuPeriod: 100000n,
        memoryLimitInBytes: 67108864n,
        oomScoreAdj: 900n,
      },
    },
  ],
  [
    "host-namespaces-v2",
    {
      sandbox: { netns: undefined, ipcns: undefined, utsns: undefined, shm: undefined },
      security: { namespaceOptions: { network: NamespaceMode.NODE, pid: NamespaceMode.NODE, ipc: NamespaceMode.NODE } },
      resources: { unified: { "memory.high": "50331648" } },
      node: { cgroupVersion: 2 },
    },
  ],
];

for (const [name, changes] of golden) {
  Deno.test(`buildSpec() golden config.json: ${name}`, () =>
    withFolder((rootfs) => {
      const { spec } = buildSpec(request(rootfs, changes), means);
      validateSpec(spec);
      assertGolden(name, spec, rootfs);
    }));
}

function built(changes: RequestChanges, rootfs = "/nowhere") {
  return buildSpec({ ...request(rootfs, changes), rootfs }, means);
}

Deno.test("buildSpec() refuses a privileged container in a pod that is not", () =>
  withFolder((rootfs) => {
    const error = assertThrows(() => built({ security: { privileged: true } }, rootfs), RpcError);
    assertEquals(error.code, Code.INVALID_ARGUMENT);
  }));

Deno.test("buildSpec() privileged: every capability of the node and device, no filter, nothing masked", () =>
  withFolder((rootfs) => {
    const { spec } = built({
      sandbox: { privileged: true },
      security: {
        privileged: true,
        maskedPaths: ["/proc/kcore"],
        readonlyPaths: ["/proc/sys"],
        seccomp: { profileType: ProfileType.RuntimeDefault },
      },
    }, rootfs);
    const { linux, process } = spec;
    assertEquals([linux.maskedPaths, linux.readonlyPaths, linux.seccomp, process.capabilities!.inheritable], [
      [],
      [],
      undefined,
      [],
    ]);
    assertEquals(process.capabilities!.bounding.length, 41);
  }));

Deno.test("buildSpec() writes OCI 1.0.2, and 1.1.0 only for what needs it", () =>
  withFolder((rootfs) => {
    assertEquals(built({}, rootfs).spec.ociVersion, "1.0.2");
    const mounts = [{ containerPath: "/data", hostPath: "/tmp", readonly: true, recursiveReadOnly: true }];
    assertEquals(built({ config: { mounts } }, rootfs).spec.ociVersion, "1.1.0");
  }));

Deno.test("buildSpec() sets the host name only in the pod's own UTS namespace", () =>
  withFolder((rootfs) => {
    assertEquals([built({}, rootfs).spec.hostname, built({ sandbox: { utsns: undefined } }, rootfs).spec.hostname], [
      "web-0",
      undefined,
    ]);
  }));

Deno.test("buildSpec() reports the user as resolved, and the notes of all sections", () =>
  withFolder((rootfs) => {
    const { user, notes } = built({
      security: {
        runAsUser: { value: 5n },
        capabilities: { addCapabilities: ["SYS_TIME"] },
        namespaceOptions: { pid: NamespaceMode.CONTAINER },
      },
      resources: { oomScoreAdj: -5n },
      node: { capabilities: [], minOomScoreAdj: 0 },
    }, rootfs);
    assertEquals([user, notes.length], [{ uid: 5, gid: 0, additionalGids: [0] }, 2]);
  }));

Deno.test("buildSpec() CVE-2022-0532: sysctls are the pod's namespaces' business and never in config.json", () =>
  withFolder((rootfs) => {
    const input = request(rootfs);
    input.sandbox.config.linux = {
      cgroupParent: "",
      securityContext: undefined,
      sysctls: { "net.core.somaxconn": "1" },
      overhead: undefined,
      resources: undefined,
    };
    assertEquals(buildSpec(input, means).spec.linux.sysctl, undefined);
  }));

Deno.test("buildSpec() sets the root's propagation for a mount that needs it", () =>
  withFolder((rootfs) => {
    const mounts = [{ containerPath: "/data", hostPath: "/proc", propagation: MountPropagation.PROPAGATION_PRIVATE }];
    assertEquals(built({ config: { mounts } }, rootfs).spec.linux.rootfsPropagation, undefined);
  }));

Deno.test("validateSpec() accepts what buildSpec() makes, and again after the adjusters", () =>
  withFolder((rootfs) => {
    const input = request(rootfs, {
      node: { minOomScoreAdj: 0, capabilities: [], rlimits: { RLIMIT_CORE: { soft: 0, hard: 10 } } },
    });
    const { spec } = buildSpec(input, means);
    adjust(spec, input, [
      (each) => {
        each.process.oomScoreAdj = -500;
        each.process.rlimits!.push({ type: "RLIMIT_CORE", soft: 99, hard: 99 });
        each.domainname = "example.org";
      },
      ...ADJUSTERS,
    ]);
    validateSpec(spec);
    assertEquals([spec.process.oomScoreAdj, spec.process.rlimits!.at(-1), spec.ociVersion], [0, {
      type: "RLIMIT_CORE",
      soft: 10,
      hard: 10,
    }, "1.1.0"]);
  }));

const broken: [string, (spec: Spec) => void, string][] = [
  ["a higher version than needed", (spec) => spec.ociVersion = "1.2.0", "ociVersion"],
  ["no arguments", (spec) => spec.process.args = [], "command"],
  ["an argument that is too long", (spec) => spec.process.args.push("x".repeat(131072)), "the kernel takes"],
  [
    "more arguments than execve takes",
    (spec) => spec.process.args.push(...Array(60).fill("x".repeat(131000))),
    "in all",
  ],
  ["a relative cwd", (spec) => spec.process.cwd = "x", "cwd"],
  ["a user that is no number", (spec) => spec.process.user.uid = NaN, "process.user"],
  ["a relative root", (spec) => spec.root.path = "rootfs", "root.path"],
  [
    "a mount outside",
    (spec) => spec.mounts.push({ destination: "/../x", type: "tmpfs", source: "tmpfs", options: [] }),
    "mount",
  ],
  [
    "a bind mount with a relative source",
    (spec) => spec.mounts.push({ destination: "/x", type: "bind", source: "x", options: [] }),
    "source of mount",
  ],
  ["a million mounts", (spec) => spec.mounts = Array(1_000_000).fill(spec.mounts[0]), "of them"],
  ["two namespaces of a kind", (spec) => spec.linux.namespaces.push({ type: "mount" }), "twice"],
  ["a cgroup path outside", (spec) => spec.linux.cgroupsPath = "/../x", "cgroupsPath"],
  ["a host name with a newline", (spec) => spec.hostname = "a\nb", "hostname"],
  ["CVE-2024-3154: an order to systemd", (spec) => spec.annotations!["org.systemd.property.ExecStart"] = "x", "order"],
  ["CVE-2024-3154: an order to crun", (spec) => spec.annotations!["run.oci.hooks.stdout"] = "x", "order"],
  ["a hook without an absolute path", (spec) => spec.hooks = { poststop: [{ path: "x" }] }, "hook"],
];
for (const [name, change, message] of broken) {
  Deno.test(`validateSpec() refuses ${name}`, () =>
    withFolder((rootfs) => {
      const { spec } = built({}, rootfs);
      change(spec);
      assertThrows(() => validateSpec(spec), RpcError, message);
    }));
}
