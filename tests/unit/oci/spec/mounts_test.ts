import { assertEquals, assertThrows } from "@std/assert";
import { MountPropagation } from "../../../../proto/gen/runtime/v1/api.ts";
import { Code, RpcError } from "../../../../src/rpc/status.ts";
import { mountSection } from "../../../../src/oci/spec/mounts.ts";
import { MOUNTS_MAX } from "../../../../src/oci/spec/request_mounts.ts";
import { newSection } from "../../../../src/oci/spec/section.ts";
import { type Kernel, kernel } from "../../../../src/sys/mod.ts";
import { means, request, type RequestChanges, withFolder } from "../support/requests.ts";

const { PROPAGATION_BIDIRECTIONAL, PROPAGATION_HOST_TO_CONTAINER } = MountPropagation;

/** The real kernel, but with a mount table of the test's own. */
function kernelWithMounts(lines: string[]): Kernel {
  return new Proxy(kernel, {
    get(target, name) {
      if (name === "readText") {
        return (path: string, limit?: number) =>
          path === "/proc/self/mountinfo" ? lines.join("\n") : target.readText(path, limit);
      }
      const value = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

function ask(changes: RequestChanges, rootfs = "/nowhere", lines: string[] = []) {
  const section = newSection(request(rootfs, changes), {
    kernel: kernelWithMounts(lines),
    config: { defaultEnv: [], pidsLimit: 0 },
  });
  return mountSection(section);
}

const find = ({ mounts }: ReturnType<typeof ask>, destination: string) =>
  mounts.find((mount) => mount.destination === destination);
const optionsOf = (section: ReturnType<typeof ask>, destination: string) => find(section, destination)?.options;

Deno.test("mountSection() mounts what every container expects, parents before children", () => {
  assertEquals(ask({}).mounts.map(({ destination, type }) => `${destination} ${type}`), [
    "/proc proc",
    "/dev tmpfs",
    "/sys sysfs",
    "/dev/pts devpts",
    "/dev/mqueue mqueue",
    "/dev/shm bind",
    "/etc/hosts bind",
    "/etc/hostname bind",
    "/etc/resolv.conf bind",
    "/sys/fs/cgroup cgroup",
  ]);
});

Deno.test("mountSection() shows /sys and cgroups read-only, writable to a privileged container", () => {
  const [plain, privileged] = [ask({}), ask({ security: { privileged: true } })];
  for (const destination of ["/sys", "/sys/fs/cgroup"]) {
    assertEquals([optionsOf(plain, destination)!.includes("ro"), optionsOf(privileged, destination)!.includes("ro")], [
      true,
      false,
    ]);
  }
});

Deno.test("mountSection() uses the pod's /dev/shm, or the node's where the pod uses the node's IPC", () => {
  assertEquals(find(ask({}), "/dev/shm")!.source, "/run/skiff/sandboxes/pod1/shm");
  assertEquals(find(ask({ sandbox: { shm: undefined } }), "/dev/shm")!.source, "/dev/shm");
});

Deno.test("mountSection() makes the pod's files read-only in a read-only root", () => {
  assertEquals(optionsOf(ask({ security: { readonlyRootfs: true } }), "/etc/hosts")!.includes("ro"), true);
  assertEquals(optionsOf(ask({}), "/etc/hosts")!.includes("rw"), true);
});

Deno.test("mountSection() lets the request replace the pod's files, /dev and /sys with all below", () =>
  withFolder((folder) => {
    const mount = (containerPath: string) => ({ containerPath, hostPath: folder });
    const { mounts } = ask({ config: { mounts: [mount("/etc/hosts"), mount("/dev"), mount("/sys")] } });
    assertEquals(mounts.map(({ destination }) => destination), [
      "/proc",
      "/dev",
      "/sys",
      "/etc/hostname",
      "/etc/resolv.conf",
      "/etc/hosts",
    ]);
    assertEquals(mounts.find(({ destination }) => destination === "/etc/hosts")!.source, folder);
  }));

Deno.test("mountSection() sorts by depth, so that /a does not hide /a/b", () =>
  withFolder((folder) => {
    const mount = (containerPath: string) => ({ containerPath, hostPath: folder });
    const { mounts } = ask({ config: { mounts: [mount("/a/b/c"), mount("/a/b"), mount("/a")] } });
    assertEquals(mounts.map(({ destination }) => destination).filter((path) => path.startsWith("/a")), [
      "/a",
      "/a/b",
      "/a/b/c",
    ]);
  }));

Deno.test("mountSection() normalises container paths and resolves symlinks of the source", () =>
  withFolder((folder) => {
    Deno.mkdirSync(`${folder}/real`);
    Deno.symlinkSync("real", `${folder}/link`);
    const section = ask({
      config: { mounts: [{ containerPath: "/x//../data/", hostPath: `${folder}/link`, readonly: true }] },
    });
    assertEquals(find(section, "/data"), {
      destination: "/data",
      type: "bind",
      source: `${folder}/real`,
      options: ["rbind", "rprivate", "ro"],
    });
  }));

Deno.test("mountSection() makes a missing host path as a folder, and refuses what cannot be made", () =>
  withFolder((folder) => {
    const section = ask({ config: { mounts: [{ containerPath: "/data", hostPath: `${folder}/new/deep` }] } });
    assertEquals([find(section, "/data")!.source, Deno.statSync(`${folder}/new/deep`).isDirectory], [
      `${folder}/new/deep`,
      true,
    ]);
    Deno.writeTextFileSync(`${folder}/file`, "");
    Deno.symlinkSync("nowhere", `${folder}/dangling`);
    for (const hostPath of [`${folder}/file/below`, `${folder}/dangling`]) {
      const error = assertThrows(() => ask({ config: { mounts: [{ containerPath: "/data", hostPath }] } }), RpcError);
      assertEquals(error.code, Code.INVALID_ARGUMENT);
    }
  }));

const IDS = [{ hostId: 100_000, containerId: 0, length: 65_536 }];

Deno.test("mountSection() passes ID mappings on", () => {
  const mounts = [{ containerPath: "/a", hostPath: "/tmp", uidMappings: IDS, gidMappings: IDS }];
  const mount = find(ask({ config: { mounts } }), "/a")!;
  const expected = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
  assertEquals([mount.uidMappings, mount.gidMappings], [expected, expected]);
});

Deno.test("mountSection() refuses what the runtime cannot do, by its name", () => {
  const features = { recursiveReadOnlyMounts: false, idmappedMounts: false, userNamespaces: false };
  const attempt = (part: Record<string, unknown>) =>
    assertThrows(
      () => ask({ config: { mounts: [{ containerPath: "/a", hostPath: "/tmp", ...part }] }, input: { features } }),
      RpcError,
      "/usr/sbin/runc",
    );
  assertEquals(attempt({ uidMappings: IDS, gidMappings: IDS }).code, Code.FAILED_PRECONDITION);
  const { code, message } = attempt({ readonly: true, recursiveReadOnly: true });
  assertEquals([code, message.includes("RROUnsupported: ")], [Code.FAILED_PRECONDITION, true]);
});

Deno.test("mountSection() binds an image where it is mounted, read-only, with its own IDs", () => {
  const image = { image: "sha256:1" };
  const mounts = [
    { containerPath: "/a", hostPath: "/tmp" },
    { containerPath: "/b", image, uidMappings: IDS, gidMappings: IDS, mountOptions: ["noexec", "nodev"] },
  ];
  const section = ask({ config: { mounts }, input: { imageVolumes: new Map([[1, "/run/skiff/rootfs/c1.1"]]) } });
  assertEquals(find(section, "/b"), {
    destination: "/b",
    type: "bind",
    source: "/run/skiff/rootfs/c1.1",
    options: ["rbind", "rprivate", "ro", "nosuid", "nodev", "noexec"],
  });
});

const refused: [string, Record<string, unknown>, Code, RegExp][] = [
  ["a relative container path", { containerPath: "data" }, Code.INVALID_ARGUMENT, /not an absolute path/],
  ["an empty container path", { containerPath: "" }, Code.INVALID_ARGUMENT, /empty/],
  ["the root as container path", { containerPath: "/x/.." }, Code.INVALID_ARGUMENT, /root of the container/],
  ["a NUL byte", { containerPath: "/a\0b" }, Code.INVALID_ARGUMENT, /NUL/],
  ["a relative host path", { hostPath: "tmp" }, Code.INVALID_ARGUMENT, /not an absolute path/],
  ["an empty host path", { hostPath: "" }, Code.INVALID_ARGUMENT, /empty/],
  ["ID mappings of users alone", { uidMappings: IDS }, Code.INVALID_ARGUMENT, /both are needed/],
  [
    "ID mappings that are no ranges",
    { uidMappings: IDS, gidMappings: [{ ...IDS[0], length: 0 }] },
    Code.INVALID_ARGUMENT,
    /not a range/,
  ],
  ["an image that is not mounted", { hostPath: "", image: { image: "x" } }, Code.INVALID_ARGUMENT, /not mounted/],
  ["an unknown mount option", { mountOptions: ["exec"] }, Code.INVALID_ARGUMENT, /"exec"/],
  ["recursive_read_only without readonly", { recursiveReadOnly: true }, Code.INVALID_ARGUMENT, /needs readonly/],
  [
    "recursive_read_only with propagation",
    { recursiveReadOnly: true, readonly: true, propagation: PROPAGATION_HOST_TO_CONTAINER },
    Code.INVALID_ARGUMENT,
    /private propagation/,
  ],
];
for (const [name, mount, code, message] of refused) {
  Deno.test(`mountSection() refuses ${name}`, () => {
    const error = assertThrows(
      () =>
        ask({ config: { mounts: [{ containerPath: "/data", hostPath: "/tmp", ...mount }] } }, "/nowhere", [
          "1 0 0:1 / / rw shared:1 - ext4 x rw",
        ]),
      RpcError,
    );
    assertEquals([error.code, message.test(error.message)], [code, true], error.message);
  });
}

Deno.test("mountSection() refuses two mounts at one place, and more than it can handle", () => {
  const mount = { containerPath: "/data", hostPath: "/tmp" };
  assertThrows(
    () => ask({ config: { mounts: [mount, { ...mount, containerPath: "/data/" }] } }),
    RpcError,
    "two of them",
  );
  assertThrows(() => ask({ config: { mounts: Array(MOUNTS_MAX + 1).fill(mount) } }), RpcError, "at most");
});

Deno.test("mountSection() mounts recursively read-only and with mount options", () => {
  const mounts = [
    { containerPath: "/a", hostPath: "/tmp", readonly: true, recursiveReadOnly: true },
    { containerPath: "/b", hostPath: "/tmp", mountOptions: ["noexec", "nosuid", "noexec"] },
  ];
  const section = ask({ config: { mounts } });
  assertEquals(optionsOf(section, "/a"), ["rbind", "rprivate", "rro"]);
  assertEquals(optionsOf(section, "/b"), ["rbind", "rprivate", "rw", "noexec", "nosuid"]);
});

const propagations: [string, string, MountPropagation, string | undefined, string | undefined][] = [
  ["HostToContainer of a shared mount", "shared:1", PROPAGATION_HOST_TO_CONTAINER, "rslave", "rslave"],
  ["HostToContainer of a slave mount", "master:1", PROPAGATION_HOST_TO_CONTAINER, "rslave", "rslave"],
  ["HostToContainer of a private mount", "", PROPAGATION_HOST_TO_CONTAINER, undefined, undefined],
  ["Bidirectional of a shared mount", "shared:1", PROPAGATION_BIDIRECTIONAL, "rshared", "rshared"],
  ["Bidirectional of a slave mount", "master:1", PROPAGATION_BIDIRECTIONAL, undefined, undefined],
];
for (const [name, tags, propagation, option, ofRoot] of propagations) {
  Deno.test(`mountSection() propagation: ${name} ${option ? `is ${option}` : "is refused"}`, () => {
    const lines = ["1 0 0:1 / / rw - ext4 x rw", `2 1 0:2 / /tmp rw ${tags === "" ? "" : tags + " "}- ext4 x rw`];
    const changes = { config: { mounts: [{ containerPath: "/data", hostPath: "/tmp", propagation }] } };
    if (option === undefined) return void assertThrows(() => ask(changes, "/nowhere", lines), RpcError, "make-rshared");
    const section = ask(changes, "/nowhere", lines);
    assertEquals([optionsOf(section, "/data")![1], section.rootfsPropagation], [option, ofRoot]);
  });
}

Deno.test("mountSection() has a mount that covers the root file systems follow the node, so that these can be unmounted", () => {
  const changes = { config: { mounts: [{ containerPath: "/host", hostPath: "/" }] } };
  const shared = ask(changes, "/run/skiff/rootfs/c1", ["1 0 0:1 / / rw shared:1 - ext4 x rw"]);
  assertEquals([optionsOf(shared, "/host")![1], shared.rootfsPropagation], ["rslave", "rslave"]);
  const unshared = ask(changes, "/run/skiff/rootfs/c1", ["1 0 0:1 / / rw - ext4 x rw"]);
  assertEquals([optionsOf(unshared, "/host")![1], unshared.rootfsPropagation], ["rprivate", undefined]);
});

Deno.test("mountSection() CVE-2022-23648: a VOLUME becomes a folder inside the root only, through whatever symlinks", () =>
  withFolder((folder) => {
    const rootfs = `${folder}/rootfs`;
    Deno.mkdirSync(`${rootfs}/etc`, { recursive: true });
    Deno.mkdirSync(`${folder}/outside`);
    Deno.symlinkSync("../outside", `${rootfs}/relative`);
    Deno.symlinkSync(`${folder}/outside`, `${rootfs}/absolute`);
    Deno.symlinkSync("/etc", `${rootfs}/conf`);
    ask({ image: { volumes: ["/../../data", "/conf/volume"] } }, rootfs);
    assertEquals([...Deno.readDirSync(rootfs)].map(({ name }) => name).sort(), [
      "absolute",
      "conf",
      "data",
      "etc",
      "relative",
    ]);
    assertEquals([...Deno.readDirSync(`${rootfs}/etc`)].map(({ name }) => name), ["volume"]);
    for (const volume of ["/relative/volume", "/absolute/volume"]) {
      assertThrows(() => ask({ image: { volumes: [volume] } }, rootfs), RpcError, "cannot be made");
    }
    assertEquals([...Deno.readDirSync(`${folder}/outside`)], []);
  }));

Deno.test("mountSection() CVE-2021-43816: relabels nothing on the node, and says so where SELinux is on", () => {
  const mounts = [{ containerPath: "/data", hostPath: "/etc/passwd", selinuxRelabel: true }];
  for (const selinux of [false, true]) {
    const section = newSection(request("/nowhere", { config: { mounts }, node: { selinux } }), means);
    assertEquals(optionsOf(mountSection(section), "/data"), ["rbind", "rprivate", "rw"]);
    assertEquals(section.notes.length, selinux ? 1 : 0);
  }
});

Deno.test("mountSection() refuses a VOLUME that is not an absolute path", () => {
  assertThrows(() => ask({ image: { volumes: ["data"] } }), RpcError, "VOLUME");
});
