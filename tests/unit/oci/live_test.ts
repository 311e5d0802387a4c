import { assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { buildExecProcess, buildPauseSpec, ConmonMonitor } from "../../../src/oci/mod.ts";
import {
  LinuxContainerResources,
  MountPropagation,
  NamespaceMode,
  PodSandboxConfig,
} from "../../../proto/gen/runtime/v1/api.ts";
import { Code, RpcError } from "../../../src/rpc/status.ts";
import { kernel, MNT_DETACH, mountsBelow, MS_SHARED, pauseProgram, programs, SIGTERM } from "../../../src/sys/mod.ts";
import { LiveNode } from "./support/live_node.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const SLEEP = ["sleep", "600"];

async function until(condition: () => boolean): Promise<void> {
  for (let waited = 0; !condition(); waited += 5) {
    if (waited > 10_000) throw new Error("waited for 10 s");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

for (const runtime of ["runc", "crun"] as const) {
  const test = (name: string, fn: (node: LiveNode) => Promise<void>) =>
    Deno.test({
      name: `${runtime} and conmon: ${name} (root)`,
      ignore: Deno.uid() !== 0,
      // The poller's one wait outlives each test that has started it.
      sanitizeOps: false,
      sanitizeResources: false,
      fn: async () => {
        await using node = new LiveNode(runtime);
        await fn(node);
      },
    });

  test("create, start, log, exit code and removal that leaves nothing", async (node) => {
    const container = await node.create(
      node.prepare({ config: { command: ["sh", "-c", "echo out; echo err >&2; printf rest; exit 7"] } }),
    );
    assertEquals((await node.runtime.state(node.handler, container.id))?.status, "created");
    assertEquals(node.monitor.exit(container.id), undefined);
    await node.runtime.start(node.handler, container.id);
    const { code, finishedAt, oomKilled } = await node.ended(container);
    assertEquals([code, oomKilled], [7, false]);
    assertEquals(Math.abs(Number(finishedAt / 1_000_000n) - Date.now()) < 10_000, true);
    const time = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+[+-]\d\d:\d\d`;
    const log = kernel.readText(container.log).split("\n").sort();
    for (const [index, line] of ["", "stderr F err", "stdout F out", "stdout P rest"].entries()) {
      assertMatch(
        log.sort((a, b) => a.slice(36) < b.slice(36) ? -1 : 1)[index],
        new RegExp(line === "" ? "^$" : `^${time} ${line}$`),
      );
    }
    await node.remove(container);
    assertEquals(node.leftovers(), []);
    assertEquals(await node.runtime.state(node.handler, container.id), undefined);
    await node.runtime.delete(node.handler, container.id);
    assertEquals(mountsBelow(node.state, kernel), []);
  });

  test("exec: outputs apart, exit codes, also the 255 of the command itself", async (node) => {
    const container = await node.start(SLEEP);
    const exec = (...command: string[]) =>
      node.runtime.execSync(
        node.handler,
        container.id,
        buildExecProcess(container.spec.process, command, false),
        10,
        1 << 20,
      );
    const result = await exec("sh", "-c", "echo o; echo e >&2; exit 5");
    assertEquals([result.exitCode, text(result.stdout), text(result.stderr)], [5, "o\n", "e\n"]);
    assertEquals((await exec("sh", "-c", "exit 255")).exitCode, 255);
    assertEquals((await exec("sh", "-c", "kill -9 $$")).exitCode, 137);
    assertEquals(text((await exec("cat")).stdout), "");
    assertEquals(
      (await Promise.all(Array.from({ length: 12 }, (_, index) => exec("sh", "-c", `exit ${index}`)))).map((
        { exitCode },
      ) => exitCode),
      [...Array(12).keys()],
    );
    await node.remove(container);
    assertEquals(node.leftovers(), []);
  });

  test("exec: a command that is not there is an error in the runtime's words, with its code", async (node) => {
    const container = await node.start(SLEEP);
    const process = buildExecProcess(container.spec.process, ["/no/such"], false);
    const error = await assertRejects(
      () => node.runtime.execSync(node.handler, container.id, process, 10, 1000),
      RpcError,
    );
    assertMatch(error.message, /exec in container .*: "\/no\/such": .*exit code \d+: .*no such file or directory/i);
    await node.runtime.kill(node.handler, container.id, 9);
    await node.ended(container);
    const late = await assertRejects(
      () => node.runtime.execSync(node.handler, container.id, process, 10, 1000),
      RpcError,
    );
    assertEquals(late.code, Code.FAILED_PRECONDITION);
  });

  test("exec: a timeout kills all that the command has started, and only then answers", async (node) => {
    const container = await node.start(SLEEP);
    const process = buildExecProcess(container.spec.process, [
      "sh",
      "-c",
      "sleep 601 & setsid sleep 602 & setsid sh -c 'sleep 603; true' & sleep 604",
    ], false);
    const started = performance.now();
    const error = await assertRejects(
      () => node.runtime.execSync(node.handler, container.id, process, 1, 1000),
      RpcError,
    );
    assertEquals(error.code, Code.DEADLINE_EXCEEDED);
    assertEquals(performance.now() - started < 4000, true);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assertEquals(node.cgroups.processes(container.input.placement), [container.pid]);
    await node.remove(container);
    assertEquals(node.leftovers(), []);
  });

  test("exec: CVE-2022-1708, CVE-2022-31030: endless output is cut and does not grow memory", async () => {
    // In a process of its own, as other tests that run at the same time need memory, too.
    const program = new URL("./support/endless_output.ts", import.meta.url).pathname;
    const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["run", "-A", program, runtime] }).output();
    const { exitCode, lengths, growth } = JSON.parse(text(stdout).trim().split("\n").at(-1)!);
    assertEquals([exitCode, lengths], [0, [1 << 19, 1 << 19]]);
    assertEquals(growth < 40 << 20, true, `${growth} bytes more`);
  });

  // runc passes the output on itself and waits for its end: there only a timeout ends such a command.
  if (runtime === "crun") {
    test("exec: a child that holds the pipes open does not hold the answer", async (node) => {
      const container = await node.start(SLEEP);
      const process = buildExecProcess(container.spec.process, ["sh", "-c", "setsid sleep 600 & echo done"], false);
      const started = performance.now();
      const { stdout } = await node.runtime.execSync(node.handler, container.id, process, 30, 1000);
      assertEquals([text(stdout), performance.now() - started < 5000], ["done\n", true]);
    });
  }

  test("kill: the signal arrives, and one to a container that has ended is no error", async (node) => {
    const container = await node.start(["sh", "-c", "trap 'exit 3' TERM; echo ready; while :; do sleep 0.05; done"]);
    await until(() => kernel.readText(container.log).includes("ready"));
    await node.runtime.kill(node.handler, container.id, SIGTERM);
    assertEquals((await node.ended(container)).code, 3);
    await node.runtime.kill(node.handler, container.id, SIGTERM);
    await node.runtime.kill(node.handler, "no-such-container", SIGTERM);
  });

  test("CVE-2019-14891: the kernel's kill for memory hits the container, is reported, and leaves the monitor alone", async (node) => {
    const container = await node.start(["sh", "-c", "sleep 0.3; tail /dev/zero"], {
      resources: { memoryLimitInBytes: 33554432n },
    });
    const cgroup = kernel.readText(`/proc/${container.conmonPid}/cgroup`);
    assertMatch(cgroup, /\/monitors$/m);
    assertEquals(cgroup.includes("/pod"), false);
    const { code, oomKilled } = await node.ended(container);
    assertEquals([code, oomKilled || node.cgroups.oomKilled(container.input.placement)], [137, true]);
    await node.remove(container);
    assertEquals(node.leftovers(), []);
  });

  test("create: a bad command fails in the runtime's words and leaves nothing", async (node) => {
    const container = node.prepare({ config: { command: ["/no/such"] } });
    const error = await assertRejects(() => node.create(container), RpcError);
    assertMatch(error.message, new RegExp(`^${runtime} create of container .*/no/such`));
    await kernel.removeTree(container.bundle);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assertEquals(node.leftovers(), []);
  });

  test("create: an abort at any moment leaves nothing", async (node) => {
    for (const delay of [0, 2, 5, 8, 12, 16, 20, 25, 30]) {
      const container = node.prepare({ config: { command: SLEEP } });
      const abort = new AbortController();
      setTimeout(() => abort.abort(new Error("given up")), delay);
      const failed = await node.create(container, { signal: abort.signal }).then(
        () => false,
        (error) => error.message === "given up",
      );
      if (!failed) await node.remove(container);
      // A runtime that was killed in the middle leaves its cgroups: they are its caller's to remove.
      await node.cgroups.remove(container.input.placement);
      if (failed) await kernel.removeTree(container.bundle);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
    assertEquals(node.leftovers(), []);
  });

  test("(class) log path: a symlink at the log's place is refused", async (node) => {
    const container = node.prepare({ config: { command: SLEEP } });
    kernel.mkdirs(`${node.state}/logs`);
    kernel.symlink("/etc/passwd", container.log);
    const error = await assertRejects(() => node.create(container), RpcError);
    assertEquals(error.code, Code.INVALID_ARGUMENT);
    await assertRejects(() => node.create(container, { logPath: `${node.state}/logs/a:b.log` }), RpcError, "colon");
  });

  test("reopenLog() starts a new file, and fails once conmon has ended", async (node) => {
    const container = await node.start(["sh", "-c", "while :; do echo x; sleep 0.02; done"]);
    kernel.rename(container.log, `${container.log}.1`);
    await node.monitor.reopenLog(container.bundle, container.log);
    await node.runtime.kill(node.handler, container.id, 9);
    await node.ended(container);
    await new Promise((resolve) => setTimeout(resolve, 50));
    const error = await assertRejects(() => node.monitor.reopenLog(container.bundle), RpcError);
    assertEquals(error.code, Code.FAILED_PRECONDITION);
  });

  test("watch() tells of an exit within a moment, and once", async (node) => {
    const seen: string[] = [];
    await using _watch = node.monitor.watch((id) => void seen.push(id));
    const container = await node.start(["true"]);
    await node.ended(container);
    await until(() => seen.length > 0);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assertEquals(seen, [container.id]);
  });

  test("watch() sees exits also where nothing can be watched", async (node) => {
    const seen: string[] = [];
    let asked = 0;
    const monitor = new ConmonMonitor({
      kernel,
      programs,
      cgroups: node.cgroups,
      stateFolder: node.state,
      watch: () => {
        asked++;
        throw new Error("no inotify instance is left");
      },
    });
    const watch = monitor.watch((id) => void seen.push(id));
    const container = await node.start(["true"]);
    await node.ended(container);
    await until(() => seen.length > 0);
    await watch[Symbol.asyncDispose]();
    assertEquals([seen, asked], [[container.id], 1]);
  });

  test("a container with a terminal has its size", async (node) => {
    const command = "for i in $(seq 100); do [ \"$(stty size)\" = '35 113' ] && break; sleep 0.1; done; stty size";
    const container = await node.create(node.prepare({ config: { command: ["sh", "-c", command], tty: true } }), {
      terminal: true,
    });
    // As kubectl does it, so that a program draws itself again: one of them must not be lost.
    const sizes = [[34, 112], [33, 111], [34, 112], [35, 113]];
    await Promise.all(sizes.map(([rows, columns]) => node.monitor.resizeTerminal(container.bundle, rows, columns)));
    await node.runtime.start(node.handler, container.id);
    await node.ended(container);
    assertMatch(kernel.readText(container.log), /35 113/);
  });

  test("no log path, a writable root, the pod's files, environment and user are as asked", async (node) => {
    const silent = await node.create(node.prepare({ config: { command: ["true"] } }), { logPath: "" });
    await node.runtime.start(node.handler, silent.id);
    assertEquals((await node.ended(silent)).code, 0);
    const { stdout } = await node.output("cat /etc/hosts /etc/hostname /etc/resolv.conf; echo $A $HOME; id -u", {
      config: { envs: [{ key: "A", value: new TextEncoder().encode("1") }], workingDir: "/new/folder" },
      security: { runAsUsername: "app" },
    });
    assertEquals(stdout, "hosts\nhostname\nresolv.conf\n1 /home/app\n1000");
  });

  test("CVE-2018-1000400, CVE-2022-27652: capabilities of root and of another user", async (node) => {
    const caps = "grep -E 'Cap(Inh|Prm|Eff|Amb)|NoNewPrivs|Seccomp:' /proc/self/status";
    const { stdout: root } = await node.output(caps, { security: { noNewPrivs: true, seccomp: { profileType: 0 } } });
    assertMatch(
      root,
      /CapInh:\t0{16}\nCapPrm:\t00000000a80425fb\nCapEff:\t00000000a80425fb\nCapAmb:\t0{16}\nNoNewPrivs:\t1\nSeccomp:\t2/,
    );
    const { stdout: user } = await node.output(caps, { security: { runAsUser: { value: 1000n } } });
    assertMatch(user, /CapInh:\t0{16}\nCapPrm:\t0{16}\nCapEff:\t0{16}\nCapAmb:\t0{16}\nNoNewPrivs:\t0\nSeccomp:\t0/);
    const { stdout: ambient } = await node.output(caps, {
      security: { runAsUser: { value: 1000n }, capabilities: { addAmbientCapabilities: ["NET_BIND_SERVICE"] } },
    });
    assertMatch(ambient, /CapEff:\t0000000000000400\nCapAmb:\t0000000000000400/);
  });

  test("CVE-2022-2995: id -G is what the policy says", async (node) => {
    const groups = async (policy: number) =>
      (await node.output("id -G", {
        security: { runAsUser: { value: 1000n }, supplementalGroups: [1234n], supplementalGroupsPolicy: policy },
      })).stdout;
    assertEquals(new Set((await groups(0)).split(" ")), new Set(["1000", "50000", "1234"]));
    assertEquals(new Set((await groups(1)).split(" ")), new Set(["1000", "1234"]));
  });

  test("CVE-2019-5736 and others: no descriptor above 2 reaches the container", async (node) => {
    const { stdout } = await node.output("ls /proc/self/fd");
    // 3 is ls's own, of the folder that it lists.
    assertEquals(stdout.split(/\s+/), ["0", "1", "2", "3"]);
    const container = await node.start(SLEEP);
    const exec = await node.runtime.execSync(
      node.handler,
      container.id,
      buildExecProcess(container.spec.process, ["ls", "/proc/self/fd"], false),
      10,
      1000,
    );
    assertEquals(text(exec.stdout).trim().split(/\s+/), ["0", "1", "2", "3"]);
  });

  test("privileged containers start with what this node has", async (node) => {
    const { code, stdout } = await node.output("ls /dev/null /dev/zero; grep CapBnd /proc/self/status", {
      sandbox: { privileged: true },
      security: { privileged: true },
      resources: { oomScoreAdj: -999n },
    });
    const bound = /CapBnd:\t\w+/.exec(kernel.readText("/proc/self/status"))![0];
    assertEquals([code, stdout], [0, `/dev/null\n/dev/zero\n${bound}`]);
  });

  test("mounts: read-only, recursively read-only, noexec, and the order of nested ones", async (node) => {
    kernel.mkdirs(`${node.state}/volumes/a/deep`, 0o755);
    for (const folder of ["a", "b"]) {
      kernel.mkdirs(`${node.state}/volumes/${folder}`, 0o777);
      kernel.writeFile(`${node.state}/volumes/${folder}/run`, "#!/bin/sh\necho ran\n", 0o755);
    }
    const mount = (containerPath: string, name: string, rest = {}) => ({
      containerPath,
      hostPath: `${node.state}/volumes/${name}`,
      ...rest,
    });
    const script = "touch /a/x; touch /a/deep/x; /a/run; touch /r/x; touch /b/x && ls /b; true";
    const { stdout, stderr } = await node.output(script, {
      config: {
        mounts: [
          mount("/a/deep", "b"),
          mount("/a", "a", { readonly: true, mountOptions: ["noexec"] }),
          mount("/b", "b"),
          mount("/r", "a", { readonly: true, recursiveReadOnly: true }),
        ],
      },
    });
    assertEquals(stdout, "run\nx");
    assertEquals(stderr.match(/Read-only file system/g)?.length, 2);
    assertMatch(stderr, /\/a\/run: Permission denied/);
  });

  test("mounts: HostToContainer and Bidirectional propagation", async (node) => {
    const shared = `${node.state}/shared`;
    kernel.mkdirs(shared, 0o755);
    kernel.mount("tmpfs", shared, "tmpfs", 0);
    try {
      kernel.mount("", shared, null, MS_SHARED);
      for (const folder of ["from-node", "from-container"]) kernel.mkdirs(`${shared}/${folder}`, 0o755);
      const mount = (propagation: MountPropagation) => [{ containerPath: "/shared", hostPath: shared, propagation }];
      const privileged = { sandbox: { privileged: true }, security: { privileged: true } };
      const up = await node.start(["sh", "-c", "mount -t tmpfs x /shared/from-container; sleep 600"], {
        ...privileged,
        config: { mounts: mount(MountPropagation.PROPAGATION_BIDIRECTIONAL) },
      });
      const down = await node.start(SLEEP, {
        config: { mounts: mount(MountPropagation.PROPAGATION_HOST_TO_CONTAINER) },
      });
      await until(() => mountsBelow(`${shared}/from-container`, kernel).length === 1);
      kernel.mount("tmpfs", `${shared}/from-node`, "tmpfs", 0);
      kernel.writeFile(`${shared}/from-node/file`, "x");
      const list = buildExecProcess(down.spec.process, ["ls", "/shared/from-node"], false);
      assertEquals(text((await node.runtime.execSync(node.handler, down.id, list, 10, 1000)).stdout), "file\n");
      for (const container of [up, down]) await node.remove(container);
    } finally {
      for (const { mountPoint } of mountsBelow(shared, kernel).toReversed()) kernel.umountNow(mountPoint, MNT_DETACH);
    }
  });

  test("CVE-2024-5154: an image whose /etc is a symlink out of its root has the pod's files mounted inside only", async (node) => {
    const outside = `${node.state}/outside`;
    kernel.mkdirs(outside, 0o755);
    kernel.writeFile(`${outside}/passwd`, "outside:x:7:7::/:/bin/sh\n", 0o644);
    const rootfs = `${node.state}/linked`;
    for (const folder of ["bin", "proc", "sys", "dev"]) kernel.mkdirs(`${rootfs}/${folder}`, 0o755);
    kernel.writeFile(`${rootfs}/bin/sh`, kernel.readFile("/bin/busybox", 32 << 20), 0o755);
    kernel.symlink("../../outside", `${rootfs}/etc`);
    assertThrows(() => node.prepare({ image: { user: "outside" }, input: { rootfs } }), RpcError, "no user");
    const { code } = await node.output("true", { input: { rootfs } }).catch(() => ({ code: 0 }));
    assertEquals([code, kernel.readDirectory(outside).map(({ name }) => name)], [0, ["passwd"]]);
  });

  test("CVE-2021-32760, CVE-2024-25621: state folders are for root alone", async (node) => {
    const container = await node.start(SLEEP);
    await node.runtime.execSync(
      node.handler,
      container.id,
      buildExecProcess(container.spec.process, ["true"], false),
      10,
      1000,
    );
    for (const folder of ["exits", "attach", "persist", "exec", `persist/${container.id}`]) {
      assertEquals(kernel.stat(`${node.state}/${folder}`).mode & 0o777, 0o700, folder);
    }
    assertEquals(kernel.stat(`${container.bundle}/config.json`).mode & 0o777, 0o600);
  });

  test("CVE-2022-23471, CVE-2025-64329: failed commands leave no file and no process", async (node) => {
    const container = await node.start(SLEEP);
    const process = buildExecProcess(container.spec.process, ["/no/such"], false);
    for (let round = 0; round < 5; round++) {
      const calls = Array.from(
        { length: 8 },
        () => node.runtime.execSync(node.handler, container.id, process, 10, 1000),
      );
      assertEquals((await Promise.allSettled(calls)).every(({ status }) => status === "rejected"), true);
    }
    assertEquals(kernel.readDirectory(`${node.state}/exec`), []);
    assertEquals(node.cgroups.processes(container.input.placement), [container.pid]);
    await node.remove(container);
    assertEquals(node.leftovers(), []);
  });

  test("update() changes the limits of a running container", async (node) => {
    const container = await node.start(SLEEP, { resources: { memoryLimitInBytes: 67108864n } });
    await node.runtime.update(
      node.handler,
      container.id,
      LinuxContainerResources.fromPartial({ memoryLimitInBytes: 134217728n, cpuShares: 512n }),
      node.limits,
    );
    const { memory, cpu } = container.input.placement.paths;
    if (!memory) return;
    assertEquals(kernel.readText(`${memory}/memory.limit_in_bytes`).trim(), "134217728");
    assertEquals(kernel.readText(`${cpu}/cpu.shares`).trim(), "512");
  });

  test("a pod's shared pid namespace is held by the pause process, which the containers see as pid 1", async (node) => {
    const pause = node.prepare();
    const root = `${node.state}/pause`;
    kernel.mkdirs(root, 0o755);
    kernel.writeFile(`${root}/pause`, pauseProgram(), 0o755);
    const config = PodSandboxConfig.fromPartial({
      metadata: { name: "web" },
      linux: { securityContext: { seccomp: { profileType: 0 } } },
    });
    const spec = buildPauseSpec({
      id: pause.id,
      config,
      hostname: "web",
      root,
      placement: pause.input.placement,
      node: node.limits,
    });
    kernel.writeFile(`${pause.bundle}/config.json`, JSON.stringify(spec), 0o600);
    await node.create(pause);
    await node.runtime.start(node.handler, pause.id);
    const { stdout } = await node.output("cat /proc/1/cmdline", {
      security: { namespaceOptions: { pid: NamespaceMode.POD } },
      sandbox: { pidns: `/proc/${pause.pid}/ns/pid` },
    });
    assertEquals(stdout.replaceAll("\0", ""), "/pause");
    await node.remove(pause);
    assertEquals(node.leftovers(), []);
  });

  test("version() is the first line that the runtime says", async (node) => {
    assertMatch(await node.runtime.version(node.handler.path), new RegExp(`^${runtime} version \\d`));
  });
}
