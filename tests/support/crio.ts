/**
 * CRI-O in a test node, where a machine has it: the second runtime that pulls are compared with. It can be had from none of
 * the registries that the set-up uses.
 */
import { stringify } from "@std/toml";
import { Daemon, type DaemonCommand } from "./daemon.ts";
import type { TestNode } from "./node.ts";
import { exists, tools } from "./tools.ts";

const places = ["/usr/bin/crio", "/usr/local/bin/crio", "/usr/libexec/crio/crio", `${tools.home}/crio/crio`];

/** The program, or undefined where the machine has none. `SKIFF_CRIO` names one elsewhere. */
export function findCrio(): string | undefined {
  const named = Deno.env.get("SKIFF_CRIO");
  return [...(named ? [named] : []), ...places].find(exists);
}

export const crioPlaces: readonly string[] = places;

export class Crio extends Daemon {
  readonly kind = "cri-o";
  readonly socket: string;
  readonly #dir: string;
  readonly #program: string;

  constructor(node: TestNode, program: string) {
    super(node, "crio");
    this.#program = program;
    this.#dir = `${node.dir}/crio`;
    this.socket = `${this.#dir}/crio.sock`;
  }

  protected command(): DaemonCommand {
    const dir = this.#dir;
    Deno.mkdirSync(dir, { recursive: true });
    Deno.writeTextFileSync(
      `${dir}/registries.conf`,
      `[[registry]]\nlocation = "registry.test"\n[[registry.mirror]]\nlocation = "${
        new URL(this.node.registry.url).host
      }"\ninsecure = true\n`,
    );
    Deno.writeTextFileSync(`${dir}/policy.json`, JSON.stringify({ default: [{ type: "insecureAcceptAnything" }] }));
    Deno.writeTextFileSync(
      `${dir}/crio.conf`,
      stringify({
        crio: {
          root: `${this.node.root}/crio`,
          runroot: `${dir}/run`,
          storage_driver: "overlay",
          version_file: `${dir}/version`,
          version_file_persist: `${dir}/version-persist`,
          clean_shutdown_file: `${dir}/clean`,
          api: { listen: this.socket },
          runtime: {
            default_runtime: "runc",
            cgroup_manager: "cgroupfs",
            conmon_cgroup: "pod",
            container_exits_dir: `${dir}/exits`,
            container_attach_socket_dir: `${dir}/attach`,
            runtimes: { runc: { runtime_path: tools.runc, monitor_path: tools.conmon } },
          },
          image: { signature_policy: `${dir}/policy.json`, pause_image: this.node.image("test/pause:1") },
          network: { network_dir: this.node.cniDir, plugin_dirs: [tools.cniPlugins] },
        },
      }),
    );
    return {
      program: this.#program,
      args: ["--config", `${dir}/crio.conf`, "--config-dir", ""],
      env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", CONTAINERS_REGISTRIES_CONF: `${dir}/registries.conf` },
    };
  }
}
