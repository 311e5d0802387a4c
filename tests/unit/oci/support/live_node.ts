import {
  buildSpec,
  CommandLineRuntime,
  ConmonMonitor,
  createCgroupDriver,
  probeNode,
  type RuntimeHandler,
  type Spec,
  type SpecInput,
} from "../../../../src/oci/mod.ts";
import { kernel, programs } from "../../../../src/sys/mod.ts";
import { means, request, type RequestChanges } from "./requests.ts";

const COMMANDS = [
  "sh",
  "sleep",
  "true",
  "id",
  "cat",
  "echo",
  "ls",
  "grep",
  "yes",
  "head",
  "tail",
  "mkdir",
  "stty",
  "touch",
  "kill",
  "mount",
  "setsid",
  "ps",
];

export interface LiveContainer {
  id: string;
  bundle: string;
  log: string;
  input: SpecInput;
  spec: Spec;
  pid: number;
  conmonPid: number;
}

/** Real runtime, monitor and cgroups below one folder, with a busybox root; everything is gone after disposal. */
export class LiveNode {
  readonly cgroups = createCgroupDriver(kernel, { defaultParent: "/" });
  readonly limits = probeNode(kernel);
  readonly state: string;
  readonly rootfs: string;
  readonly runtime: CommandLineRuntime;
  readonly monitor: ConmonMonitor;
  readonly handler: RuntimeHandler;
  readonly #name: string;
  #count = 0;

  constructor(runtime: "runc" | "crun") {
    this.#name = `skt-${crypto.randomUUID().slice(0, 8)}`;
    // Short, as the path of an attach socket is limited.
    this.state = `/run/${this.#name}`;
    this.rootfs = `${this.state}/rootfs`;
    kernel.mkdirs(this.state, 0o700);
    this.runtime = new CommandLineRuntime({ kernel, programs, stateFolder: this.state });
    this.monitor = new ConmonMonitor({ kernel, programs, cgroups: this.cgroups, stateFolder: this.state });
    this.handler = {
      name: runtime,
      path: runtime === "runc" ? "/usr/sbin/runc" : this.#crun(),
      root: `${this.state}/${runtime}`,
      conmon: "/usr/bin/conmon",
      cgroupDriver: "cgroupfs",
    };
    this.cgroups.create(this.monitorCgroup);
    this.#makeRootfs();
  }

  get monitorCgroup() {
    return this.cgroups.place(`/${this.#name}`, "monitors");
  }

  /** Changes to the request; the pod's namespaces are the node's unless they say otherwise. */
  prepare(changes: RequestChanges = {}): LiveContainer {
    const id = `${this.#name}-${++this.#count}`;
    const bundle = `${this.state}/containers/${id}`;
    kernel.mkdirs(bundle, 0o700);
    const file = (name: string) => `${this.state}/${name}`;
    const input = request(this.rootfs, {
      ...changes,
      sandbox: {
        netns: undefined,
        ipcns: undefined,
        utsns: undefined,
        shm: undefined,
        hosts: file("hosts"),
        hostnameFile: file("hostname"),
        resolvConf: file("resolv.conf"),
        ...changes.sandbox,
      },
      input: {
        id,
        placement: this.cgroups.place(`/${this.#name}/pod`, id),
        runtime: this.handler,
        node: this.limits,
        ...changes.input,
      },
    });
    const { spec } = buildSpec(input, means);
    kernel.writeFile(`${bundle}/config.json`, JSON.stringify(spec), 0o600);
    return { id, bundle, log: `${this.state}/logs/${id}.log`, input, spec, pid: 0, conmonPid: 0 };
  }

  async create(
    container: LiveContainer,
    options: { terminal?: boolean; stdin?: boolean; logPath?: string; signal?: AbortSignal } = {},
  ): Promise<LiveContainer> {
    const created = await this.monitor.create({
      handler: this.handler,
      id: container.id,
      bundle: container.bundle,
      logPath: container.log,
      terminal: false,
      stdin: false,
      leaveStdinOpen: false,
      conmonCgroup: this.monitorCgroup,
      ...options,
    });
    return Object.assign(container, created);
  }

  /** Builds, creates and starts. */
  async start(command: string[], changes: RequestChanges = {}): Promise<LiveContainer> {
    const container = await this.create(this.prepare({ ...changes, config: { command, ...changes.config } }));
    await this.runtime.start(this.handler, container.id);
    return container;
  }

  async ended({ id }: LiveContainer): Promise<{ code: number; finishedAt: bigint; oomKilled: boolean }> {
    for (let waited = 0; waited < 20_000; waited += 5) {
      const exit = this.monitor.exit(id);
      if (exit) return exit;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    throw new Error(`container ${id} has not ended`);
  }

  /** Runs a shell script to its end. */
  async output(
    script: string,
    changes: RequestChanges = {},
  ): Promise<{ code: number; stdout: string; stderr: string }> {
    const container = await this.start(["sh", "-c", script], changes);
    const { code } = await this.ended(container);
    const lines = kernel.readText(container.log).split("\n").map((line) =>
      /^\S+ (stdout|stderr) ([FP]) (.*)$/.exec(line)
    );
    const of = (stream: string) => lines.flatMap((match) => match?.[1] === stream ? [match[3]] : []).join("\n");
    await this.remove(container);
    return { code, stdout: of("stdout"), stderr: of("stderr") };
  }

  async remove({ id, input, bundle, conmonPid }: LiveContainer): Promise<void> {
    await this.runtime.delete(this.handler, id);
    await this.cgroups.remove(input.placement);
    // conmon writes its exit file last.
    for (let waited = 0; waited < 2000 && conmonPid > 0 && kernel.exists(`/proc/${conmonPid}`); waited += 5) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await this.monitor.forget(id);
    await kernel.removeTree(bundle);
  }

  /** Processes of containers and monitors, runtime state, cgroups and files that are still there. */
  leftovers(): string[] {
    const found: string[] = [];
    for (const { name } of kernel.readDirectory("/proc")) {
      if (!/^\d+$/.test(name)) continue;
      try {
        if (kernel.readText(`/proc/${name}/cmdline`).includes(this.#name)) found.push(`process ${name}`);
      } catch {
        // It has ended.
      }
    }
    const folders = [
      this.handler.root,
      `${this.state}/exits`,
      `${this.state}/persist`,
      `${this.state}/attach`,
      `${this.state}/exec`,
      `${this.state}/containers`,
    ];
    for (const folder of folders) {
      if (kernel.exists(folder)) found.push(...kernel.readDirectory(folder).map(({ name }) => `${folder}/${name}`));
    }
    for (const path of Object.values(this.cgroups.place(`/${this.#name}`, "pod").paths)) {
      if (kernel.exists(path)) {
        found.push(
          ...kernel.readDirectory(path).filter(({ type }) => type === "directory").map(({ name }) => `${path}/${name}`),
        );
      }
    }
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (kernel.exists(this.handler.root)) {
      for (const { name } of kernel.readDirectory(this.handler.root)) await this.runtime.delete(this.handler, name);
    }
    await this.cgroups.remove(this.cgroups.place("/", this.#name));
    await kernel.removeTree(this.state);
  }

  /** crun refuses a hybrid of cgroup v1 and v2: it is shown a node without the v2 part. */
  #crun(): string {
    if (!kernel.exists("/sys/fs/cgroup/unified/cgroup.controllers")) return "/usr/bin/crun";
    const path = `${this.state}/crun.sh`;
    // Private first: where these mounts are shared the node itself would lose its v2 part.
    const inside = 'mount --make-rprivate /sys/fs/cgroup; umount /sys/fs/cgroup/unified; exec /usr/bin/crun "$@"';
    const script = `#!/bin/sh\nexec unshare -m --propagation unchanged sh -c '${inside}' crun "$@"\n`;
    kernel.writeFile(path, script, 0o755);
    return path;
  }

  #makeRootfs(): void {
    for (const folder of ["bin", "proc", "sys", "dev", "etc", "tmp"]) kernel.mkdirs(`${this.rootfs}/${folder}`, 0o755);
    kernel.writeFile(`${this.rootfs}/bin/busybox`, kernel.readFile("/bin/busybox", 32 << 20), 0o755);
    for (const command of COMMANDS) kernel.symlink("busybox", `${this.rootfs}/bin/${command}`);
    kernel.writeFile(
      `${this.rootfs}/etc/passwd`,
      "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n",
      0o644,
    );
    kernel.writeFile(`${this.rootfs}/etc/group`, "root:x:0:\napp:x:1000:\nextra:x:50000:app\n", 0o644);
    for (const name of ["hosts", "hostname", "resolv.conf"]) {
      kernel.writeFile(`${this.state}/${name}`, `${name}\n`, 0o644);
    }
  }
}
