/** The compiled binary as a service of systemd, with the unit that docs/systemd.md tells people to write. */
import { patience, run, tryRun, waitUntil } from "./command.ts";
import { Instance, type InstanceOptions } from "./instance.ts";
import type { TestNode } from "./node.ts";
import { tools } from "./tools.ts";
import { property } from "./units.ts";

const START_TIMEOUT = 60_000;

export class UnitDaemon extends Instance {
  #pid = 0;

  constructor(node: TestNode, options: InstanceOptions = {}) {
    const defaultCgroupParent = node.pods.slice(node.pods.lastIndexOf("/") + 1);
    super(node, { ...options, config: { ...options.config, cgroupDriver: "systemd", defaultCgroupParent } });
  }

  get unit(): string {
    return `${this.node.name}.service`;
  }

  override get pid(): number {
    return this.#pid;
  }

  override get runs(): boolean {
    return this.#pid !== 0;
  }

  override async start(): Promise<number> {
    const began = performance.now();
    await Deno.writeTextFile(`/run/systemd/system/${this.unit}`, this.#text());
    await run("systemctl", ["daemon-reload"]);
    const { code, stderr } = await tryRun("systemctl", ["start", this.unit], { timeout: START_TIMEOUT * patience });
    if (code !== 0) {
      // Or systemd goes on trying.
      await this.stop();
      throw new Error(`${stderr.trim()}; the daemon's log ends with:\n${this.log().slice(-3000)}`);
    }
    await this.#answers();
    return performance.now() - began;
  }

  override async stop(): Promise<number> {
    await run("systemctl", ["stop", this.unit]);
    this.#pid = 0;
    this.gone();
    return 0;
  }

  override async restart(): Promise<number> {
    const began = performance.now();
    await run("systemctl", ["restart", this.unit], { timeout: START_TIMEOUT * patience });
    await this.#answers();
    return performance.now() - began;
  }

  /** systemd starts it again by itself; returns once that one answers. */
  override async kill9(): Promise<void> {
    if (!this.runs) return;
    const killed = this.#pid;
    Deno.kill(killed, "SIGKILL");
    await waitUntil(
      "systemd has started it again",
      async () => ![0, killed].includes(Number(await property(this.unit, "MainPID"))),
      START_TIMEOUT,
    );
    await this.#answers();
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    if (this.runs) await this.stop();
  }

  async #answers(): Promise<void> {
    this.gone();
    await waitUntil(
      `${this.unit} answers`,
      () => this.client.version({}, { timeout: 5_000 }).catch(() => undefined),
      START_TIMEOUT,
    );
    this.#pid = Number(await property(this.unit, "MainPID"));
  }

  #text(): string {
    const { program, args, env } = this.command();
    const command = [tools.nsenter, ...this.node.holder.enter(program, args)].join(" ");
    const environment = Object.entries(env ?? {}).map(([name, value]) => `Environment=${name}=${value}`).join("\n");
    // An emulated machine may need longer than systemd grants by itself.
    return `[Unit]
DefaultDependencies=no
StartLimitIntervalSec=0
[Service]
Type=notify
TimeoutStartSec=${START_TIMEOUT / 1000 * patience}
NotifyAccess=all
ExecStart=${command}
Restart=always
RestartSec=1
KillMode=process
Delegate=yes
CPUWeight=1000
${environment}
OOMScoreAdjust=-999
LimitNOFILE=1048576
TasksMax=infinity
StandardOutput=append:${this.logFile}
StandardError=inherit
`;
  }
}
