/** The cluster itself, in the process that keeps it: starts its programs, in order, and ends and restarts them. */
import { killCgroup } from "../support/cgroups.ts";
import { patience, run, sleep, tryRun, waitUntil } from "../support/command.ts";
import type { Daemon } from "../support/daemon.ts";
import { Instance } from "../support/instance.ts";
import { TestNode } from "../support/node.ts";
import { Peer } from "../support/peer.ts";
import { tools } from "../support/tools.ts";
import { UnitDaemon } from "../support/unit_daemon.ts";
import { addonManifests } from "./addons.ts";
import { kubeconfig, writeCertificates } from "./certificates.ts";
import * as controlPlane from "./control_plane.ts";
import { imageReference, privateRegistry, type Served, serveImages, writePrivateRegistry } from "./images.ts";
import { kubeletConfiguration } from "./kubelet_config.ts";
import { newBootId, prepareMachine } from "./machine.ts";
import { addresses, type ClusterOptions, type ClusterRecord, nodeOf, programs, recordOf } from "./options.ts";
import { losePower } from "./reboot.ts";

/** A restarted program that ends again within this time has not been started. */
const SECONDS_TO_SERVE = 40;
const MOST_STARTS = 3;

export class ClusterNode implements AsyncDisposable {
  #children = new Map<string, Deno.ChildProcess>();
  #served: Served = { coredns: false, metricsServer: false, agnhost: false };
  #daemon!: Daemon;
  #upMs = 0;

  private constructor(readonly options: ClusterOptions, readonly node: TestNode) {}

  /** Everything, until the node is Ready. Ends what it has started when a step fails. */
  static async start(options: ClusterOptions, say: (line: string) => void): Promise<ClusterNode> {
    const began = performance.now();
    const slices = options.cgroupDriver === "systemd";
    if (slices && !await isSystemd()) throw new Error("the systemd cgroup driver needs systemd as process 1");
    const { name, registryPort } = options;
    const node = await TestNode.start({ name: nodeOf(name), conflist: false, slices, registryPort });
    const cluster = new ClusterNode(options, node);
    const step = async (what: string, action: () => Promise<unknown>) => {
      const started = performance.now();
      await action();
      say(`${what} (${((performance.now() - started) / 1000).toFixed(1)} s)`);
    };
    try {
      await step("network, mounts, certificates", () => cluster.#prepare());
      await Promise.all([
        step("images in the registry", async () => cluster.#served = await serveImages(node, options.addons)),
        step("control plane", () => cluster.#startControlPlane()),
        step(options.runtime, () => cluster.#startDaemon()),
      ]);
      await step("kubelet and kube-proxy", () => cluster.#startNode());
      await step("the node is Ready", () => cluster.#untilReady());
      if (options.addons) await step("DNS and metrics", () => cluster.#startAddons());
      cluster.#upMs = Math.round(performance.now() - began);
      await cluster.record();
    } catch (error) {
      say(`up failed; the logs' ends:\n${cluster.#ends()}`);
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
    return cluster;
  }

  get #pki(): string {
    return `${this.node.dir}/pki`;
  }
  get kubeletRoot(): string {
    return `${this.node.root}/kubelet`;
  }
  get #staticPods(): string {
    return `${this.node.root}/manifests`;
  }

  async #prepare(): Promise<void> {
    const { node } = this;
    for (const dir of [this.kubeletRoot, this.#staticPods, `${node.dir}/volume-plugins`]) {
      await Deno.mkdir(dir, { recursive: true });
    }
    await prepareMachine(node, node.root);
    await newBootId(node);
    await writeCertificates(this.#pki, node.name);
    for (const name of ["admin", "kubelet", "controller-manager", "scheduler", "proxy"]) {
      await Deno.writeTextFile(`${this.#pki}/${name}.kubeconfig`, kubeconfig(this.#pki, name));
    }
    await node.writeConflist();
    await this.#spawn("private-registry", tools.registry, ["serve", await writePrivateRegistry(node)], "registry");
  }

  async #startControlPlane(): Promise<void> {
    const commands = [
      controlPlane.etcd(`${this.node.dir}/etcd/data`),
      controlPlane.apiserver(this.#pki, this.options),
      controlPlane.controllerManager(this.#pki, this.options),
      controlPlane.scheduler(this.#pki, this.options),
    ];
    const start = ({ name, program, args }: controlPlane.ProgramCommand) => this.#spawn(name, program, args, "control");
    for (const command of commands.slice(0, 2)) await start(command);
    // It ends where its first steps take longer than it thinks they may; a kubelet that keeps it starts it again.
    let starts = 1;
    const startAgain = async () => {
      if (starts++ < MOST_STARTS) await start(commands[1]);
    };
    await this.#until("the API server is ready", "kube-apiserver", async () => {
      // Not by kubectl, whose start alone would take a processor from an emulated machine's API server.
      return (await this.node.holder.tryRun("curl", "-sfk", "https://127.0.0.1:6443/readyz")).code === 0;
    }, startAgain);
    for (const command of commands.slice(2)) await start(command);
    await this.#giveKubeletAccess();
  }

  /** kube-proxy's rights come with the cluster in kubeadm; here as well. */
  async #giveKubeletAccess(): Promise<void> {
    await this.#until("kube-proxy may read", "kube-apiserver", async () => {
      const binding = ["create", "clusterrolebinding", "kube-proxy", "--clusterrole=system:node-proxier"];
      const { code, stderr } = await this.tryKubectl(...binding, "--user=system:kube-proxy");
      return code === 0 || stderr.includes("already exists");
    });
  }

  async #startDaemon(): Promise<void> {
    const { node, options } = this;
    const runc = options.oldRunc ? tools.runc : tools.runcRelease;
    const runtimes = { runc, crun: tools.crun };
    const direct = { plainHttp: true };
    // Where systemd makes the cgroups, the daemon is a service of it, as on the nodes that have this driver.
    if (options.runtime !== "skiff" && options.cgroupDriver === "systemd") {
      throw new Error("the systemd cgroup driver is set up for skiff alone");
    }
    const Skiff = options.cgroupDriver === "systemd" ? UnitDaemon : Instance;
    this.#daemon = options.runtime === "containerd"
      ? new Peer(node, { runtimes, defaultRuntime: options.ociRuntime })
      : new Skiff(node, {
        config: {
          log: { level: "info" },
          runtimes: { runc: { path: runtimes.runc }, crun: { path: runtimes.crun } },
          defaultRuntime: options.ociRuntime,
          images: {
            pinned: [imageReference("pause")],
            registries: Object.fromEntries(
              ["localhost:5000", new URL(node.registry.url).host, `127.0.0.1:${privateRegistry.port}`]
                .map((host) => [host, direct]),
            ),
          },
        },
      });
    await this.#daemon.start(60_000);
  }

  async #startNode(): Promise<void> {
    await this.startKubelet();
    const { name, program, args } = controlPlane.proxy(this.#pki, this.options);
    await this.#spawn(name, program, args, "proxy");
  }

  /** Starts the kubelet; `overrides` take the place of fields of its usual configuration. Waits until it is healthy. */
  async startKubelet(overrides: Record<string, unknown> = {}): Promise<void> {
    const { node } = this;
    const configuration = kubeletConfiguration(this.options, {
      pki: this.#pki,
      root: this.kubeletRoot,
      socket: this.#daemon.socket,
      staticPods: this.#staticPods,
      podLogs: "/var/log/pods",
      volumePlugins: `${node.dir}/volume-plugins`,
    });
    await Deno.writeTextFile(`${node.dir}/kubelet.json`, JSON.stringify({ ...configuration, ...overrides }, null, 2));
    await this.#spawn("kubelet", `${programs}/kubelet`, [
      `--config=${node.dir}/kubelet.json`,
      `--kubeconfig=${this.#pki}/kubelet.kubeconfig`,
      `--root-dir=${this.kubeletRoot}`,
      `--cert-dir=${this.#pki}`,
      `--hostname-override=${node.name}`,
      `--node-ip=${addresses.node}`,
      "--v=2",
    ], "kubelet");
    await this.#until("the kubelet is healthy", "kubelet", async () => {
      const { code } = await node.holder.tryRun(
        tools.busybox,
        "wget",
        "-q",
        "-O",
        "-",
        "http://127.0.0.1:10248/healthz",
      );
      return code === 0;
    });
  }

  async #untilReady(): Promise<void> {
    await this.#until("the node is Ready", "kubelet", async () => {
      const { stdout } = await this.tryKubectl(
        ...["get", "node", this.node.name, "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`],
      );
      return stdout === "True";
    });
  }

  async #startAddons(): Promise<void> {
    const objects = addonManifests(this.#served);
    if (objects.length === 0) return;
    await this.kubectlInput(JSON.stringify({ apiVersion: "v1", kind: "List", items: objects }), "apply", "-f", "-");
    if (!this.#served.coredns) return;
    // Metrics come when they come: there are none before a pod has been looked at twice.
    const place = ["-n", "kube-system"];
    const { code, stderr } = await this.tryKubectl(
      ...place,
      "rollout",
      "status",
      "deployment/coredns",
      "--timeout=90s",
    );
    if (code === 0) return;
    const { stdout } = await this.tryKubectl(...place, "logs", "deployment/coredns", "--tail=30");
    throw new Error(`DNS did not come up: ${stderr}\n${stdout}`);
  }

  async stopKubelet(signal: Deno.Signal = "SIGTERM"): Promise<void> {
    await this.#stop("kubelet", signal);
  }

  async restartKubelet(overrides: Record<string, unknown> = {}): Promise<void> {
    await this.stopKubelet();
    await this.startKubelet(overrides);
    await this.#untilReady();
    await this.record();
  }

  async restartDaemon(): Promise<void> {
    await this.#daemon.restart();
    await this.record();
  }

  async killDaemon(): Promise<void> {
    await this.#daemon.kill9();
    await this.#daemon.start(60_000);
    await this.record();
  }

  async reboot(): Promise<void> {
    const { node } = this;
    if (this.options.cgroupDriver === "systemd") throw new Error("cgroups of systemd's cannot be taken from under it");
    await this.stopKubelet("SIGKILL");
    await this.#stop("kube-proxy", "SIGKILL");
    await this.#daemon.kill9();
    const volatile = this.options.runtime === "skiff" ? [(this.#daemon as Instance).state] : ["/run/containerd"];
    await losePower(node, {
      cgroups: ["kubepods", "pods", "monitors", "kubelet", "proxy", this.#daemon.cgroup],
      volatile,
      sockets: [this.#daemon.socket],
      mounted: [this.kubeletRoot, node.root],
    });
    await this.#daemon.start(60_000);
    await this.#startNode();
    await this.#untilReady();
    await this.record();
  }

  async registryDown(): Promise<void> {
    await this.node.registry.down();
  }
  async registryUp(): Promise<void> {
    await this.node.registry.up();
  }

  tryKubectl(...args: string[]) {
    return this.node.holder.tryRun(`${programs}/kubectl`, `--kubeconfig=${this.#pki}/admin.kubeconfig`, ...args);
  }

  kubectlInput(input: string, ...args: string[]): Promise<string> {
    const kubectl = [`--kubeconfig=${this.#pki}/admin.kubeconfig`, ...args];
    return run("nsenter", this.node.holder.enter(`${programs}/kubectl`, kubectl), { input });
  }

  /** What others need to know, in a file that is replaced as a whole. */
  async record(): Promise<void> {
    const record: ClusterRecord = {
      options: this.options,
      keeperPid: Deno.pid,
      holderPid: this.node.holder.pid,
      daemonPid: this.#daemon.pid,
      kubeletPid: this.#children.get("kubelet")!.pid,
      socket: this.#daemon.socket,
      runtimeRoot: this.#daemon instanceof Instance ? this.#daemon.root : `${this.node.root}/containerd`,
      cgroup: await isUnified() ? 2 : 1,
      has: this.#served,
      upMs: this.#upMs,
    };
    const file = recordOf(this.options.name);
    await Deno.writeTextFile(`${file}.new`, JSON.stringify(record, null, 2));
    await Deno.rename(`${file}.new`, file);
  }

  async #spawn(name: string, program: string, args: string[], cgroup: string): Promise<void> {
    const log = `${this.node.dir}/${name}.log`;
    const child = this.node.holder.spawn(program, args, { cgroup, log });
    this.#children.set(name, child);
    child.status.then(() => {
      if (this.#children.get(name) === child) this.#children.delete(name);
    });
  }

  async #stop(name: string, signal: Deno.Signal): Promise<void> {
    const child = this.#children.get(name);
    if (!child) return;
    child.kill(signal);
    const ended = await Promise.race([child.status, sleep(15_000)]);
    if (!ended) child.kill("SIGKILL");
    await child.status;
  }

  async #until(
    what: string,
    name: string,
    ask: () => Promise<boolean>,
    startAgain?: () => Promise<void>,
  ): Promise<void> {
    await waitUntil(
      what,
      async () => {
        if (!this.#children.has(name)) await startAgain?.();
        if (!this.#children.has(name)) throw new Error(`${name} ended by itself:\n${this.#end(name)}`);
        return await ask();
      },
      SECONDS_TO_SERVE * 1000,
      200 * patience,
    );
  }

  #end(name: string): string {
    try {
      return Deno.readTextFileSync(`${this.node.dir}/${name}.log`).split("\n").slice(-25).join("\n");
    } catch {
      return "";
    }
  }

  #ends(): string {
    const names = [
      "etcd",
      "kube-apiserver",
      "kube-controller-manager",
      "kube-scheduler",
      "kubelet",
      "kube-proxy",
      "skiff",
    ];
    return names.map((name) => `== ${name}\n${this.#end(name)}`).join("\n");
  }

  /** Pods, monitors and what they were made in: with systemd, they are not below the node's own cgroup. */
  async #stopSlices(): Promise<void> {
    const [own] = this.node.pods.slice(1).split("/");
    for (const slice of [PODS_SLICE, own]) {
      await killCgroup(`/${slice}`);
      await run("systemctl", ["stop", slice]);
    }
  }

  /** Leaves nothing: kubelet and daemon first, so that nothing is started behind the back of who ends it. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const name of ["kubelet", "kube-proxy"]) await this.#stop(name, "SIGKILL");
    await this.#daemon?.[Symbol.asyncDispose]();
    await killCgroup(`/${this.node.name}`);
    if (this.options.cgroupDriver === "systemd") await this.#stopSlices();
    await this.node[Symbol.asyncDispose]();
  }
}

/** What the kubelet calls the slice of all its pods. */
const PODS_SLICE = "kubepods.slice";

const isSystemd = async () => (await tryRun("test", ["-d", "/run/systemd/system"])).code === 0;
const isUnified = async () => (await tryRun("test", ["-e", "/sys/fs/cgroup/cgroup.controllers"])).code === 0;
