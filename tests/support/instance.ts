/** The compiled binary, serving in a test node with folders, socket and configuration of its own. */
import { stringify } from "yaml";
import type { Config } from "../../src/config/types.ts";
import { Daemon, type DaemonCommand } from "./daemon.ts";
import type { TestNode } from "./node.ts";
import { exists, tools } from "./tools.ts";

/** Part of a configuration, at any depth. */
export type Partially<T> = T extends unknown[] ? T : T extends object ? { [K in keyof T]?: Partially<T[K]> } : T;

export interface InstanceOptions {
  config?: Partially<Config>;
  env?: Record<string, string>;
  title?: string;
}

/** As the unit file of docs/systemd.md has it. */
const SERVICE_ENVIRONMENT = { DENO_TOKIO_EVENT_INTERVAL: "1" };

export class Instance extends Daemon {
  readonly kind = "skiff";
  readonly socket: string;
  readonly configFile: string;
  readonly state: string;
  readonly root: string;
  config: Partially<Config>;
  env: Record<string, string>;

  constructor(node: TestNode, options: InstanceOptions = {}) {
    super(node, options.title ?? "skiff");
    this.socket = `${node.dir}/${this.title}.sock`;
    this.configFile = `${node.dir}/${this.title}.yaml`;
    this.state = `${node.dir}/${this.title}-state`;
    this.root = `${node.root}/${this.title}`;
    this.config = merge(this.#defaults(), options.config ?? {});
    this.env = { ...SERVICE_ENVIRONMENT, ...options.env };
  }

  #defaults(): Partially<Config> {
    const url = this.node.registry?.url ?? "http://127.0.0.1:5000";
    const mirrors = [{ url }];
    return {
      root: this.root,
      state: this.state,
      socket: this.socket,
      log: { level: "debug" },
      runtimes: { runc: { path: tools.runc }, crun: { path: tools.crun } },
      defaultRuntime: "runc",
      conmon: tools.conmon,
      monitorCgroup: this.node.monitors,
      defaultCgroupParent: this.node.pods,
      cni: { configDir: this.node.cniDir, pluginDirs: [tools.cniPlugins] },
      images: {
        // What is there after a test is what it has left behind.
        keepReadySeconds: 0,
        registries: {
          "registry.test": { mirrors },
          "docker.io": { mirrors },
          [new URL(url).host]: { plainHttp: true },
        },
      },
    };
  }

  protected command(): DaemonCommand {
    Deno.writeTextFileSync(this.configFile, stringify(this.config));
    return { program: this.#binary(), args: ["serve", "--config", this.configFile], env: this.env };
  }

  /** A name of its own for the binary, so that a build during the tests does not take it from under the daemon. */
  #binary(): string {
    const binary = `${this.root}-bin/skiff`;
    if (exists(binary)) return binary;
    Deno.mkdirSync(`${this.root}-bin`);
    try {
      Deno.linkSync(tools.skiff, binary);
    } catch {
      Deno.copyFileSync(tools.skiff, binary);
    }
    return binary;
  }
}

function merge<T>(base: T, over: unknown): T {
  if (typeof base !== "object" || base === null || Array.isArray(base) || typeof over !== "object" || over === null) {
    return over as T;
  }
  const merged = { ...base } as Record<string, unknown>;
  for (const [key, value] of Object.entries(over)) merged[key] = key in merged ? merge(merged[key], value) : value;
  return merged as T;
}
