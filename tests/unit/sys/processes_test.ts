import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import {
  bootId,
  boundingCapabilities,
  canRun,
  isAlive,
  kernel,
  minOomScoreAdj,
  mountsBelow,
  openProcess,
  parseMountInfo,
  poller,
  processEnd,
  processGroup,
  processIdentity,
  programs,
  RecordingKernel,
  rlimits,
  selfCgroup,
  SIGKILL,
  signalProcess,
} from "../real_kernel.ts";
import { leaksNoDescriptor } from "./leaks.ts";

Deno.test("processIdentity() survives a program name full of parentheses and spaces", async () => {
  const folder = Deno.makeTempDirSync();
  Deno.copyFileSync("/bin/sleep", `${folder}/a) S 1 (b`);
  const child = programs.spawn(`${folder}/a) S 1 (b`, ["100"], {});
  const identity = processIdentity(child.pid)!;
  assertMatch(identity.startTime, /^[1-9]\d*$/);
  assertEquals(processGroup(child.pid), child.pid);
  assertEquals(isAlive(identity), true);
  assertEquals(isAlive({ ...identity, startTime: String(Number(identity.startTime) - 1) }), false);
  assertEquals(signalProcess({ ...identity, startTime: "1" }, SIGKILL), false);
  assertEquals(isAlive(identity), true);
  const end = processEnd(identity);
  assertEquals(signalProcess(identity, SIGKILL), true);
  await end;
  await child.status;
  assertEquals(isAlive(identity), false);
  assertEquals(signalProcess(identity, SIGKILL), false);
  assertEquals(processIdentity(child.pid), undefined);
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("canRun() is false of a process that is stopped, of a corpse, and of none", async () => {
  const child = programs.spawn("/bin/sleep", ["100"], {});
  const is = async (expected: boolean) => {
    for (let round = 0; round < 200 && canRun(child.pid) !== expected; round++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assertEquals(canRun(child.pid), expected);
  };
  await is(true);
  Deno.kill(child.pid, "SIGSTOP");
  await is(false);
  Deno.kill(child.pid, "SIGCONT");
  await is(true);
  child.kill(SIGKILL);
  await is(false);
  await child.status;
  assertEquals(canRun(child.pid), false);
});

Deno.test("processEnd() sees the end of a process that is not our child, and can be given up", async () => {
  const { stdout } = await programs.run("/bin/sh", ["-c", "setsid sleep 0.6 >/dev/null 2>&1 & echo $!"], {
    env: { PATH: "/bin:/usr/bin" },
  });
  const identity = processIdentity(Number(new TextDecoder().decode(stdout)))!;
  const reason = new Error("no longer wanted");
  const abort = new AbortController();
  const given = processEnd(identity, abort.signal);
  abort.abort(reason);
  assertEquals(await assertRejects(() => given), reason);
  await poller.idle();
  await processEnd(identity);
  assertEquals(isAlive(identity), false);
  await processEnd(identity);
});

Deno.test("a zombie is not alive", () => {
  const stat = "77 (x) Z 1 77 77 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 0";
  const recording = new RecordingKernel({ "/proc/77/stat": stat });
  assertEquals(processIdentity(77, recording), undefined);
  assertEquals(isAlive({ pid: 77, startTime: "4711" }, recording), false);
  assertEquals(recording.openDescriptors(), []);
});

Deno.test("openProcess() of a pid that never was is undefined and leaks nothing", () =>
  leaksNoDescriptor(() => {
    assertEquals(openProcess({ pid: 4_000_000, startTime: "1" }), undefined);
    assertEquals(openProcess({ pid: Deno.pid, startTime: "1" }), undefined);
  }));

Deno.test("bootId() is the kernel's", () => {
  assertMatch(bootId(), /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
});

Deno.test("boundingCapabilities() reads the bits by the kernel's order", () => {
  const recording = (bits: string) =>
    new RecordingKernel({ "/proc/self/status": `Name:\tx\nCapEff:\t0\nCapBnd:\t${bits}\n` });
  assertEquals(boundingCapabilities(recording("00000000a80425fb")), [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_SYS_CHROOT",
    "CAP_MKNOD",
    "CAP_AUDIT_WRITE",
    "CAP_SETFCAP",
  ]);
  assertEquals(boundingCapabilities(recording("000001ffffffffff")).length, 41);
  assertEquals(boundingCapabilities(recording("0000010000000000")), ["CAP_CHECKPOINT_RESTORE"]);
});

Deno.test("minOomScoreAdj() is -1000 with CAP_SYS_RESOURCE and our own without", () => {
  const files = (effective: string) => ({
    "/proc/self/status": `CapEff:\t${effective}\n`,
    "/proc/self/oom_score_adj": "-500\n",
  });
  assertEquals(minOomScoreAdj(new RecordingKernel(files("0000000001000000"))), -1000);
  assertEquals(minOomScoreAdj(new RecordingKernel(files("0000000000000000"))), -500);
});

Deno.test("rlimits() are those in /proc/self/limits", () => {
  const [, soft, hard] = /^Max open files\s+(\S+)\s+(\S+)/m.exec(kernel.readText("/proc/self/limits"))!;
  assertEquals(rlimits().RLIMIT_NOFILE, { soft: BigInt(soft), hard: BigInt(hard) });
  assertEquals(Object.keys(rlimits()).length, 16);
});

Deno.test("selfCgroup() reads v1, hybrid and v2", () => {
  const of = (text: string) => selfCgroup(new RecordingKernel({ "/proc/self/cgroup": text }));
  assertEquals(of("0::/system.slice/skiff.service\n"), { unified: "/system.slice/skiff.service", controllers: {} });
  assertEquals(of("4:cpu,cpuacct:/a:b\n2:name=systemd:/c\n0::/\n"), {
    unified: "/",
    controllers: { cpu: "/a:b", cpuacct: "/a:b", "name=systemd": "/c" },
  });
});

Deno.test("parseMountInfo() reads optional fields and octal escapes", () => {
  assertEquals(
    parseMountInfo(
      "36 35 98:0 /a\\040b /mnt/tab\\011new\\012line\\134 rw,noatime shared:7 master:1 - overlay over\\040lay rw,lowerdir=/x\\054y",
    ),
    {
      id: 36,
      parent: 35,
      device: "98:0",
      root: "/a b",
      mountPoint: "/mnt/tab\tnew\nline\\",
      options: ["rw", "noatime"],
      propagation: ["shared:7", "master:1"],
      type: "overlay",
      source: "over lay",
      superOptions: ["rw", "lowerdir=/x,y"],
    },
  );
  assertEquals(parseMountInfo(""), undefined);
  assertEquals(parseMountInfo("1 2 3:4 / / rw"), undefined);
});

Deno.test("mountsBelow() takes the folder itself and what is below, not its neighbours", () => {
  const line = (at: string) => `1 2 0:5 / ${at} rw - tmpfs tmpfs rw`;
  const text = ["/run/skiff", "/run/skiff/layers/a", "/run/skiff-other", "/run", "/"].map(line).join("\n");
  const recording = new RecordingKernel({ "/proc/self/mountinfo": text });
  assertEquals(mountsBelow("/run/skiff", recording).map(({ mountPoint }) => mountPoint), [
    "/run/skiff",
    "/run/skiff/layers/a",
  ]);
  assertEquals(mountsBelow("/run/skiff/", recording).length, 2);
  assertEquals(mountsBelow("/", recording).length, 5);
  assertEquals(mountsBelow("/proc").some(({ type }) => type === "proc"), true);
});
