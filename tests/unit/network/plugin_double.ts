import { CniNetwork, type PodNetwork } from "../../../src/network/mod.ts";
import { createLogger } from "../../../src/observe/mod.ts";
import { kernel, programs, watchDirectory } from "../../../src/sys/mod.ts";

const SCRIPT = `#!/bin/sh
here=\${0%/*} name=\${0##*/}
echo "$CNI_COMMAND $name" >> "$here/calls"
env > "$here/$name.$CNI_COMMAND.env"
cat > "$here/$name.$CNI_COMMAND.json"
[ -f "$here/$name.$CNI_COMMAND.sh" ] && . "$here/$name.$CNI_COMMAND.sh"
[ "$CNI_COMMAND" = ADD ] && echo '{"cniVersion":"1.0.0","ips":[{"address":"10.0.0.5/24"}],"by":"'$name'"}'
exit 0
`;

// libc is loaded at the first call and stays; the sanitizer of the first test must not see that.
kernel.getpid();

/** CNI plugins that are shell scripts, which write down how they were called, and a network that uses them. */
export class PluginDouble implements AsyncDisposable {
  readonly root = Deno.makeTempDirSync({ prefix: "skiff-test-cni-" });
  readonly configDir = `${this.root}/net.d`;
  readonly pluginDir = `${this.root}/bin`;
  readonly log: string[] = [];
  readonly network: CniNetwork;

  constructor(types: string[], options: { timeoutSeconds?: number; watch?: boolean } = {}) {
    Deno.mkdirSync(this.configDir);
    Deno.mkdirSync(this.pluginDir);
    for (const type of types) this.install(type);
    this.network = new CniNetwork({
      config: {
        configDir: this.configDir,
        pluginDirs: [`${this.root}/none`, this.pluginDir],
        timeoutSeconds: options.timeoutSeconds ?? 20,
      },
      kernel,
      programs,
      watch: options.watch ? (path, onChange) => watchDirectory(kernel, path, onChange) : undefined,
      logger: createLogger({ level: "debug", format: "text", write: (line) => this.log.push(line) }),
    });
  }

  install(type: string): void {
    Deno.writeTextFileSync(`${this.pluginDir}/${type}`, SCRIPT, { mode: 0o755 });
  }

  /** Shell lines that the plugin runs at this verb before its usual answer. */
  behave(type: string, verb: string, script: string): void {
    Deno.writeTextFileSync(`${this.pluginDir}/${type}.${verb}.sh`, script);
  }

  writeConfig(file: string, document: unknown): void {
    const text = typeof document === "string" ? document : JSON.stringify(document);
    Deno.writeTextFileSync(`${this.configDir}/${file}`, text);
  }

  /** Such as "ADD first", in the order they were made; forgets them. */
  calls(): string[] {
    try {
      const calls = Deno.readTextFileSync(`${this.pluginDir}/calls`).trim().split("\n");
      Deno.removeSync(`${this.pluginDir}/calls`);
      return calls;
    } catch {
      return [];
    }
  }

  /** What the plugin got on stdin at its last call with this verb. */
  input(type: string, verb: string): any {
    return JSON.parse(Deno.readTextFileSync(`${this.pluginDir}/${type}.${verb}.json`));
  }

  environment(type: string, verb: string): Record<string, string> {
    const lines = Deno.readTextFileSync(`${this.pluginDir}/${type}.${verb}.env`).trim().split("\n");
    return Object.fromEntries(
      lines.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.network[Symbol.asyncDispose]();
    Deno.removeSync(this.root, { recursive: true });
  }
}

export function list(...types: string[]): Record<string, unknown> {
  const plugins = types.map((type) => ({ type, capabilities: { portMappings: true }, own: `of ${type}` }));
  return { cniVersion: "1.0.0", name: "testnet", plugins };
}

export function pod(changes: Partial<PodNetwork> = {}): PodNetwork {
  return {
    sandboxId: "sandbox1",
    netns: "/run/netns/skiff-test-none",
    namespace: "default",
    name: "web",
    uid: "uid-1",
    portMappings: [],
    annotations: {},
    cgroupParent: "",
    ...changes,
  };
}
