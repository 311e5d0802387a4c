import { assertEquals, assertRejects } from "@std/assert";
import { type CgroupDriver, CgroupfsDriver, createCgroupDriver, findHierarchies } from "../../../../src/oci/mod.ts";
import { Errno, type Kernel, kernel, programs, SIGKILL } from "../../../../src/sys/mod.ts";

const ROOT = Deno.uid() === 0;
const UNIFIED = "/sys/fs/cgroup/unified";

/** The driver of this node, and where there is a cgroup2 mount besides v1, one that works on that. */
function drivers(): [string, CgroupDriver][] {
  if (!ROOT) return [["this node", undefined as never]];
  const own = createCgroupDriver(kernel, { defaultParent: "/" });
  const found: [string, CgroupDriver][] = [[`v${own.version}`, own]];
  if (own.version === 1 && kernel.exists(`${UNIFIED}/cgroup.controllers`)) {
    found.push([
      "v2 beside v1",
      new CgroupfsDriver(kernel, { version: 2, mounts: { "": UNIFIED }, controllers: new Set(), others: [] }, {
        defaultParent: "/",
      }),
    ]);
  }
  return found;
}

async function withPlacement(driver: CgroupDriver, use: (id: string) => Promise<void>): Promise<void> {
  const name = `skiff-test-${crypto.randomUUID().slice(0, 8)}`;
  try {
    await use(name);
  } finally {
    await driver.remove(driver.place("/", name));
  }
}

for (const [name, driver] of drivers()) {
  Deno.test({
    name: `CgroupfsDriver ${name}: create, attach, processes, remove with what still runs inside (root)`,
    ignore: !ROOT,
    fn: () =>
      withPlacement(driver, async (parent) => {
        const placement = driver.place(`/${parent}/deep`, "c1");
        driver.create(placement);
        driver.create(placement);
        // On v2 a cgroup that has children with controllers cannot hold processes itself.
        const nested = ["a", "b"].map((each) => driver.place(placement.cgroupsPath, each));
        const children = await Promise.all(nested.map(async (each) => {
          driver.create(each);
          const child = programs.spawn("/bin/busybox", ["sleep", "600"], {});
          await driver.attach(each, child.pid);
          return child;
        }));
        assertEquals(driver.processes(placement).sort(), children.map(({ pid }) => pid).sort());
        assertEquals(driver.oomKilled(placement), false);
        await driver.remove(placement);
        for (const { status } of children) assertEquals((await status).signal, SIGKILL);
        for (const path of Object.values(placement.paths)) assertEquals(kernel.exists(path), false, path);
        await driver.remove(placement);
        assertEquals([driver.processes(placement), driver.oomKilled(placement)], [[], false]);
      }),
  });
}

Deno.test({
  name: "CgroupfsDriver v1 also makes and removes the cgroup in hierarchies without a controller (root)",
  ignore: !ROOT || findHierarchies(kernel).others.length === 0,
  fn: () => {
    const driver = createCgroupDriver(kernel, { defaultParent: "/" });
    return withPlacement(driver, async (parent) => {
      const placement = driver.place("/", parent);
      driver.create(placement);
      const others = findHierarchies(kernel).others.map((mount) => mount + placement.cgroupsPath);
      assertEquals(others.every((path) => kernel.exists(path)), true);
      await driver.remove(placement);
      assertEquals(others.some((path) => kernel.exists(path)), false);
    });
  },
});

/** cgroup2 as files in memory: what the driver writes there. */
function unifiedDouble(): { kernel: Kernel; files: Map<string, string> } {
  const files = new Map([["/cg/cgroup.controllers", "cpu memory"], ["/cg/cgroup.subtree_control", "cpu"]]);
  const double = {
    mkdir(path: string) {
      if (files.has(`${path}/cgroup.subtree_control`)) throw new Errno("mkdir", 17, "File exists", path);
      files.set(`${path}/cgroup.subtree_control`, "");
    },
    readText: (path: string) => files.get(path) ?? "",
    writeControl: (path: string, content: string) => void files.set(path, content),
  };
  return { kernel: double as unknown as Kernel, files };
}

Deno.test("create() on v2 hands the controllers down to every parent, not to the cgroup itself", () => {
  const { kernel, files } = unifiedDouble();
  const driver = new CgroupfsDriver(kernel, {
    version: 2,
    mounts: { "": "/cg" },
    controllers: new Set(["cpu", "memory"]),
    others: [],
  }, { defaultParent: "/" });
  driver.create(driver.place("/a/b", "c"));
  assertEquals(
    ["/cg", "/cg/a", "/cg/a/b", "/cg/a/b/c"].map((folder) => files.get(`${folder}/cgroup.subtree_control`)),
    ["+memory", "+cpu +memory", "+cpu +memory", ""],
  );
});

for (const [version, file, path] of [[1, "memory.oom_control", "memory"], [2, "memory.events", ""]] as const) {
  Deno.test(`oomKilled() on v${version} reads ${file}`, () => {
    let content = "low 0\noom 1\noom_kill 0\n";
    const double = { readText: (asked: string) => asked.endsWith(`/${file}`) ? content : "" } as unknown as Kernel;
    const driver = new CgroupfsDriver(double, {
      version,
      mounts: { [path]: "/cg" },
      controllers: new Set(),
      others: [],
    }, { defaultParent: "/" });
    assertEquals(driver.oomKilled(driver.place("/", "c")), false);
    content = "low 0\noom 1\noom_kill 2\n";
    assertEquals(driver.oomKilled(driver.place("/", "c")), true);
  });
}

Deno.test("remove() gives up on a cgroup that stays busy, and says which", async () => {
  let attempts = 0;
  const double = {
    readDirectory: () => [],
    readText: () => "",
    writeControl: () => {},
    rmdir(path: string) {
      attempts++;
      throw new Errno("rmdir", 16, "Device or resource busy", path);
    },
  } as unknown as Kernel;
  const driver = new CgroupfsDriver(double, { version: 2, mounts: { "": "/cg" }, controllers: new Set(), others: [] }, {
    defaultParent: "/",
  });
  await assertRejects(() => driver.remove(driver.place("/", "c")), Errno, "rmdir /cg/c");
  assertEquals(attempts > 10, true);
});

Deno.test("findHierarchies() knows v1 with cpu and cpuacct apart or together, hybrid, and v2", () => {
  const line = (mountPoint: string, type: string, options: string) =>
    `1 1 0:1 / ${mountPoint} rw - ${type} x ${options}`;
  const find = (lines: string[]) =>
    findHierarchies(
      {
        readText: (path: string) => path === "/proc/self/mountinfo" ? lines.join("\n") : "cpu memory\n",
      } as unknown as Kernel,
    );
  const v1 = find([
    line("/sys/fs/cgroup", "tmpfs", "rw"),
    line("/sys/fs/cgroup/cpu,cpuacct", "cgroup", "rw,cpu,cpuacct"),
    line("/sys/fs/cgroup/memory", "cgroup", "rw,memory"),
    line("/sys/fs/cgroup/systemd", "cgroup", "rw,xattr,name=systemd"),
    line("/sys/fs/cgroup/unified", "cgroup2", "rw"),
  ]);
  assertEquals(v1, {
    version: 1,
    mounts: {
      cpu: "/sys/fs/cgroup/cpu,cpuacct",
      cpuacct: "/sys/fs/cgroup/cpu,cpuacct",
      memory: "/sys/fs/cgroup/memory",
    },
    controllers: new Set(["cpu", "cpuacct", "memory"]),
    others: ["/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified"],
  });
  assertEquals(find([line("/sys/fs/cgroup", "cgroup2", "rw")]), {
    version: 2,
    mounts: { "": "/sys/fs/cgroup" },
    controllers: new Set(["cpu", "memory", "devices", "freezer"]),
    others: [],
  });
});
