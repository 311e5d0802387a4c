/** crictl against one daemon: its own config file, so that nothing of the machine's counts. */
import { run, tryRun } from "./command.ts";
import type { Daemon } from "./daemon.ts";
import { tools } from "./tools.ts";

export class Crictl {
  #config: string;
  constructor(readonly daemon: Daemon) {
    this.#config = `${daemon.node.dir}/crictl.yaml`;
    Deno.writeTextFileSync(
      this.#config,
      `runtime-endpoint: unix://${daemon.socket}\nimage-endpoint: unix://${daemon.socket}\ntimeout: 60\npull-image-on-create: false\n`,
    );
  }

  /** Standard output of a verb that must succeed, without white space around it. */
  async ask(...args: string[]): Promise<string> {
    return (await run(tools.crictl, ["--config", this.#config, ...args])).trim();
  }

  async json(...args: string[]): Promise<any> {
    return JSON.parse(await this.ask(...args, "-o", "json"));
  }

  /** For verbs that may fail. */
  try(...args: string[]) {
    return tryRun(tools.crictl, ["--config", this.#config, ...args]);
  }

  /** Writes a pod's or container's configuration to a file and returns its path. */
  file(name: string, content: unknown): string {
    const path = `${this.daemon.node.dir}/${name}.json`;
    Deno.writeTextFileSync(path, JSON.stringify(content, null, 2));
    return path;
  }
}
