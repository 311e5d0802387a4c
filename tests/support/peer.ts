/** containerd 2.4.2 in a test node: what figures are compared with, and what the tests themselves are checked against. */
import { pauseImage } from "../images/pause.ts";
import { Daemon, type DaemonCommand } from "./daemon.ts";
import type { TestNode } from "./node.ts";
import { tools } from "./tools.ts";

export interface PeerOptions {
  /** Hosts of image names that the node's registry stands in for. */
  mirrored?: string[];
  /** Program of each OCI runtime. */
  runtimes?: Record<string, string>;
  defaultRuntime?: string;
}

export class Peer extends Daemon {
  readonly kind = "containerd";
  readonly socket: string;
  readonly #dir: string;
  readonly #options: Required<PeerOptions>;

  constructor(node: TestNode, options: PeerOptions = {}) {
    super(node, "containerd");
    this.#options = {
      mirrored: ["docker.io"],
      runtimes: { runc: tools.runc, crun: tools.crun },
      defaultRuntime: "runc",
      ...options,
    };
    this.#dir = `${node.dir}/containerd`;
    this.socket = `${this.#dir}/containerd.sock`;
  }

  /**
   * Its shims put their sockets into /run/containerd whatever the configuration says: a tmpfs keeps them in the node.
   * The state is there too, because a pod's user must pass through every folder above its root.
   */
  override async start(timeout?: number): Promise<number> {
    await this.node.holder.run(
      "sh",
      "-c",
      "mkdir -p /run/containerd; mountpoint -q /run/containerd || mount -t tmpfs skiff-test /run/containerd",
    );
    await this.node.registry.add("test/pause", "1", await pauseImage());
    return await super.start(timeout);
  }

  protected command(): DaemonCommand {
    const dir = this.#dir;
    const { mirrored, runtimes, defaultRuntime } = this.#options;
    for (const host of ["registry.test", ...mirrored]) {
      Deno.mkdirSync(`${dir}/certs.d/${host}`, { recursive: true });
      Deno.writeTextFileSync(
        `${dir}/certs.d/${host}/hosts.toml`,
        `server = "${this.node.registry.url}"\n[host."${this.node.registry.url}"]\n  capabilities = ["pull", "resolve"]\n`,
      );
    }
    const runtime = (name: string, program: string) => `
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.${name}]
    runtime_type = "io.containerd.runc.v2"
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.${name}.options]
      BinaryName = "${program}"
      SystemdCgroup = false
`;
    Deno.writeTextFileSync(
      `${dir}/config.toml`,
      `version = 3
root = "${this.node.root}/containerd"
state = "/run/containerd/state"
[grpc]
  address = "${this.socket}"
[ttrpc]
  address = "${this.socket}.ttrpc"
[plugins.'io.containerd.cri.v1.images']
  [plugins.'io.containerd.cri.v1.images'.pinned_images]
    sandbox = "registry.test/test/pause:1"
  [plugins.'io.containerd.cri.v1.images'.registry]
    config_path = "${dir}/certs.d"
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ["${tools.cniPlugins}"]
    conf_dir = "${this.node.cniDir}"
  [plugins.'io.containerd.cri.v1.runtime'.containerd]
    default_runtime_name = "${defaultRuntime}"
${Object.entries(runtimes).map(([name, program]) => runtime(name, program)).join("")}`,
    );
    return {
      program: tools.containerd,
      args: ["--config", `${dir}/config.toml`],
      env: { PATH: `${tools.containerdBin}:/usr/sbin:/usr/bin:/sbin:/bin` },
    };
  }
}
