/** One machine as far as the tests go: namespaces, a registry, a CNI configuration, folders; runtimes are started in it. */
import { cgroupsBelow } from "./cgroups.ts";
import { Holder, type HolderOptions } from "./holder.ts";
import { difference, type Snapshot, snapshot } from "./leftovers.ts";
import { Registry } from "./registry.ts";
import { slicePath } from "./units.ts";

export interface NodeOptions extends HolderOptions {
  /** Without one, pods get no network until {@link TestNode.writeConflist} is called; default true. */
  conflist?: boolean;
  registry?: boolean;
  /** Where it listens; default 5000. */
  registryPort?: number;
  /** Its cgroup and its folders are called so; default: a new name. */
  name?: string;
  /** Pods and monitors are in systemd's slices below the one of this name. */
  slices?: boolean;
}

export class TestNode implements AsyncDisposable {
  /** cgroup parent for pods, and the limits of what the node's tests may touch. */
  readonly pods: string;
  readonly monitors: string;
  readonly subnet = "10.241.7";
  registry!: Registry;
  /** Pids of the daemons that run in it. */
  readonly daemons = new Set<number>();

  private constructor(
    readonly name: string,
    /** Below /run/skiff. */
    readonly dir: string,
    /** Below /var/lib/skiff. */
    readonly root: string,
    readonly holder: Holder,
    slices = false,
  ) {
    this.pods = slices ? slicePath(`${name}-pods.slice`) : `/${name}/pods`;
    this.monitors = slices ? `${name}-monitors.slice` : `/${name}/monitors`;
  }

  static async start(options: NodeOptions = {}): Promise<TestNode> {
    const name = options.name ?? `skiff-t-${crypto.randomUUID().slice(0, 8)}`;
    const [dir, root] = [`/run/skiff/${name}`, `/var/lib/skiff/${name}`];
    const holder = await Holder.start(name, [dir, root], options);
    const node = new TestNode(name, dir, root, holder, options.slices);
    try {
      for (const folder of [node.cniDir, node.leases, node.logs]) await Deno.mkdir(folder, { recursive: true });
      if (options.conflist !== false) await node.writeConflist();
      if (options.registry !== false) {
        node.registry = await Registry.start(holder, `${root}/registry`, options.registryPort);
      }
    } catch (error) {
      await node[Symbol.asyncDispose]();
      throw error;
    }
    return node;
  }

  get cniDir(): string {
    return `${this.dir}/cni`;
  }
  get leases(): string {
    return `${this.dir}/leases`;
  }
  /** Where the pods' log folders are. */
  get logs(): string {
    return `${this.root}/logs`;
  }

  /** Bridge, addresses kept in the node's own folder, host ports. `plugins` replaces the whole list. */
  async writeConflist(plugins: Record<string, unknown>[] = this.plugins(), name = "10-test.conflist"): Promise<void> {
    const text = JSON.stringify({ cniVersion: "1.0.0", name: "test", plugins }, null, 2);
    await Deno.writeTextFile(`${this.cniDir}/.${name}.new`, text);
    await Deno.rename(`${this.cniDir}/.${name}.new`, `${this.cniDir}/${name}`);
  }

  plugins(): Record<string, unknown>[] {
    return [
      {
        type: "bridge",
        bridge: "skiff-test0",
        isGateway: true,
        ipMasq: true,
        hairpinMode: true,
        ipam: {
          type: "host-local",
          dataDir: this.leases,
          ranges: [[{ subnet: `${this.subnet}.0/24` }]],
          routes: [{ dst: "0.0.0.0/0" }],
        },
      },
      { type: "portmap", capabilities: { portMappings: true }, snat: true },
    ];
  }

  image(name: string): string {
    return `${this.registry.host}/${name}`;
  }

  /** The same image by the address of the registry itself, without a mirror in between. */
  directImage(name: string): string {
    return `${new URL(this.registry.url).host}/${name}`;
  }

  /** What there is of this node now; the runtimes' own data under `root` counts only with `files`. */
  snapshot(folders: string[] = []): Promise<Snapshot> {
    return snapshot({
      instance: this.name,
      holder: this.holder.pid,
      leases: [this.leases],
      except: [...this.daemons],
      folders,
    });
  }

  /** What came since `before` and is still here. Waits a little: kernel objects go a moment after the call that ends them. */
  async leftSince(before: Snapshot, folders: string[] = []): Promise<string[]> {
    let left: string[] = [];
    for (let round = 0; round < 20; round++) {
      left = difference(before, await this.snapshot(folders));
      if (left.length === 0) return left;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    return left;
  }

  /** Cgroup directories of pods, in all hierarchies. */
  podCgroups(): string[] {
    return cgroupsBelow(this.pods);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.holder[Symbol.asyncDispose]();
  }
}
