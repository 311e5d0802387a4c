import { assert, assertEquals, assertGreater, assertThrows } from "@std/assert";
import { pinNamespaces, unpin } from "../../../src/network/mod.ts";
import { CgroupUsageReader } from "../../../src/stats/mod.ts";
import { CLONE_NEWNET, kernel } from "../../../src/sys/mod.ts";

kernel.getpid();
const reader = new CgroupUsageReader(kernel);
const root = Deno.uid() === 0;
const CONTROLLERS = ["memory", "cpuacct", "pids"];
const v1 = CONTROLLERS.every((controller) => kernel.exists(`/sys/fs/cgroup/${controller}/cgroup.procs`));

function unified(files: Record<string, string>, test: (folder: string) => void): void {
  const folder = Deno.makeTempDirSync({ prefix: "skiff-test-v2-" });
  try {
    for (const [name, text] of Object.entries(files)) Deno.writeTextFileSync(`${folder}/${name}`, text);
    test(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("CgroupUsageReader.cgroup() reads a v2 cgroup", () => {
  const pressure = "some avg10=1.00 avg60=2.00 avg300=3.00 total=4\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=1\n";
  const files = {
    "memory.current": "1000\n",
    "memory.max": "5000\n",
    "memory.stat": "anon 300\nfile 700\ninactive_anon 1\ninactive_file 400\npgfault 11\npgmajfault 2\n",
    "memory.swap.current": "50\n",
    "memory.swap.max": "80\n",
    "cpu.stat": "usage_usec 1234\nuser_usec 1000\nsystem_usec 234\n",
    "pids.current": "7\n",
    "cpu.pressure": pressure,
    "memory.pressure": pressure,
    "io.pressure": pressure,
  };
  unified(files, (folder) => {
    const before = BigInt(Date.now()) * 1_000_000n;
    const { timestamp, ...usage } = reader.cgroup({ cgroupsPath: "", paths: { "": folder } });
    assert(timestamp >= before && timestamp <= BigInt(Date.now()) * 1_000_000n);
    const psi = {
      some: { avg10: 1, avg60: 2, avg300: 3, total: 4000n },
      full: { avg10: 0, avg60: 0, avg300: 0, total: 1000n },
    };
    assertEquals(usage, {
      cpuUsageNanoseconds: 1_234_000n,
      memoryUsageBytes: 1000n,
      memoryWorkingSetBytes: 600n,
      memoryAvailableBytes: 4400n,
      memoryRssBytes: 300n,
      memoryPageFaults: 11n,
      memoryMajorPageFaults: 2n,
      swapUsageBytes: 50n,
      swapAvailableBytes: 30n,
      pids: 7n,
      psi: { cpu: psi, memory: psi, io: psi },
    });
  });
});

Deno.test("CgroupUsageReader.cgroup() says undefined, not 0, for what a v2 node does not tell", () => {
  const files = {
    "memory.current": "1000\n",
    "memory.max": "max\n",
    "memory.stat": "anon 300\ninactive_file 1400\n",
    "cpu.stat": "usage_usec 1\n",
  };
  unified(files, (folder) => {
    const usage = reader.cgroup({ cgroupsPath: "", paths: { "": folder } });
    assertEquals(usage.memoryWorkingSetBytes, 0n);
    assertEquals(usage.memoryAvailableBytes, undefined);
    assertEquals(usage.swapUsageBytes, undefined);
    assertEquals(usage.pids, undefined);
    assertEquals(usage.psi, undefined);
  });
});

Deno.test("CgroupUsageReader.cgroup() of a cgroup that is gone has a timestamp and nothing else", () => {
  for (const paths of [{ "": "/sys/fs/cgroup/none" }, { memory: "/sys/fs/cgroup/memory/none" }, {}]) {
    const { timestamp, ...usage } = reader.cgroup({ cgroupsPath: "", paths: paths as Record<string, string> });
    assertGreater(timestamp, 0n);
    assertEquals(Object.values(usage).filter((value) => value !== undefined), []);
  }
});

Deno.test({
  name: "CgroupUsageReader.cgroup() reads a real v1 cgroup (root)",
  ignore: !root || !v1,
  async fn() {
    const name = `skiff-test-${crypto.randomUUID()}`;
    const paths = Object.fromEntries(CONTROLLERS.map((one) => [one, `/sys/fs/cgroup/${one}/${name}`]));
    for (const path of Object.values(paths)) Deno.mkdirSync(path);
    // Some work and 4 MB, then it waits for its stdin to end.
    const script = `for path in "$@"; do echo $$ > $path/cgroup.procs; done
      busy=0; while [ $busy -lt 100000 ]; do busy=$((busy + 1)); done
      held=$(head -c 4000000 /dev/zero | tr '\\0' x); echo ready; read end`;
    const child = new Deno.Command("sh", {
      args: ["-c", script, "sh", ...Object.values(paths)],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    try {
      Deno.writeTextFileSync(`${paths.memory}/memory.limit_in_bytes`, String(64 << 20));
      const output = child.stdout.getReader();
      await output.read();
      const usage = reader.cgroup({ cgroupsPath: `/${name}`, paths });
      assertGreater(usage.cpuUsageNanoseconds!, 1_000_000n);
      assertGreater(usage.memoryUsageBytes!, 4_000_000n);
      assertGreater(usage.memoryRssBytes!, 4_000_000n);
      assert(usage.memoryWorkingSetBytes! <= usage.memoryUsageBytes!);
      assertEquals(usage.memoryAvailableBytes! + usage.memoryWorkingSetBytes!, BigInt(64 << 20));
      assertGreater(usage.memoryPageFaults!, 0n);
      assertEquals(typeof usage.memoryMajorPageFaults, "bigint");
      assertEquals(usage.pids, 1n);
      await output.cancel();
    } finally {
      await child.stdin.close();
      await child.status;
      for (const path of Object.values(paths)) Deno.removeSync(path);
    }
  },
});

Deno.test({
  name: "CgroupUsageReader.network() counts what went through the namespace's interfaces, without lo (root)",
  ignore: !root,
  fn() {
    const folder = Deno.makeTempDirSync({ prefix: "skiff-test-net-" });
    const netns = `${folder}/net`;
    try {
      pinNamespaces(kernel, { net: netns });
      assertEquals(reader.network(netns), []);
      const script = "ip link add eth0 type veth peer name out && ip link set eth0 up && ip link set out up";
      const run = () => new Deno.Command("sh", { args: ["-c", script] }).outputSync();
      assert(kernel.inNamespaces([{ path: netns, flag: CLONE_NEWNET }], run).success);
      const names = reader.network(netns).map(({ name }) => name).sort();
      assertEquals(names, ["eth0", "out"]);
    } finally {
      unpin(kernel, netns);
      Deno.removeSync(folder);
    }
    assertThrows(() => reader.network(netns));
  },
});
