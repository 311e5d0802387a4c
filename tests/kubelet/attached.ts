/** A cluster as a check sees it: by its record, its namespaces and the socket of its keeper. */
import { run, tryRun } from "../support/command.ts";
import { exists } from "../support/tools.ts";
import type { Cluster, ImageName } from "./check.ts";
import { imageReference, privateReference, privateRegistry } from "./images.ts";
import { type Answer, type Order, readLine } from "./keeper.ts";
import { addresses, type ClusterRecord, controlOf, dirOf, nodeOf, recordOf, rootOf } from "./options.ts";

export class AttachedCluster implements Cluster {
  readonly dir: string;
  readonly nodeName: string;
  readonly nodeIP = addresses.node;
  readonly kubeletRoot: string;
  readonly staticPods: string;
  readonly podLogs = "/var/log/pods";
  readonly cniConfig: string;
  readonly registryStorage: string;
  readonly kubeconfig: string;
  readonly privateRegistry = privateRegistry;

  constructor(readonly name: string) {
    this.dir = dirOf(name);
    this.nodeName = nodeOf(name);
    this.kubeletRoot = `${rootOf(name)}/kubelet`;
    this.staticPods = `${rootOf(name)}/manifests`;
    this.cniConfig = `${this.dir}/cni`;
    this.registryStorage = `${rootOf(name)}/registry/storage`;
    this.kubeconfig = `${this.dir}/pki/admin.kubeconfig`;
    if (!exists(recordOf(name))) throw new Error(`no cluster "${name}" runs; start it with: main.ts up --name ${name}`);
  }

  /** Read each time: pids change. */
  get #record(): ClusterRecord {
    return JSON.parse(Deno.readTextFileSync(recordOf(this.name)));
  }
  get runtime() {
    return this.#record.options.runtime;
  }
  get ociRuntime() {
    return this.#record.options.ociRuntime;
  }
  get cgroupDriver() {
    return this.#record.options.cgroupDriver;
  }
  get statsFromCRI() {
    return this.#record.options.statsFromCRI;
  }
  get cgroup() {
    return this.#record.cgroup;
  }
  get socket() {
    return this.#record.socket;
  }
  get has() {
    return this.#record.has;
  }
  get runtimeRoot() {
    return this.#record.runtimeRoot;
  }
  get daemonPid() {
    return this.#record.daemonPid;
  }
  get kubeletPid() {
    return this.#record.kubeletPid;
  }
  get holderPid() {
    return this.#record.holderPid;
  }
  get podsCgroup() {
    return this.cgroupDriver === "systemd" ? "/kubepods.slice" : `/${this.nodeName}/kubepods`;
  }
  get upMs() {
    return this.#record.upMs;
  }

  image(name: ImageName): string {
    return imageReference(name);
  }
  privateImage(name: ImageName): string {
    return privateReference(name);
  }

  // Checks take functions out of it by name, so they are bound.
  readonly enter = (program: string, ...args: string[]): string[] => {
    const { holderPid } = this.#record;
    return [`--mount=/proc/${holderPid}/ns/mnt`, `--net=/proc/${holderPid}/ns/net`, "--", program, ...args];
  };
  readonly run = (program: string, ...args: string[]): Promise<string> => run("nsenter", this.enter(program, ...args));
  readonly tryRun = (program: string, ...args: string[]) => tryRun("nsenter", this.enter(program, ...args));

  log(program: "daemon" | "kubelet"): Promise<string> {
    return Deno.readTextFile(`${this.dir}/${program === "daemon" ? this.runtime : program}.log`);
  }

  restartDaemon(): Promise<void> {
    return this.#order({ action: "restartDaemon" });
  }
  killDaemon(): Promise<void> {
    return this.#order({ action: "killDaemon" });
  }
  restartKubelet(overrides?: Record<string, unknown>): Promise<void> {
    return this.#order({ action: "restartKubelet", argument: overrides });
  }
  reboot(): Promise<void> {
    return this.#order({ action: "reboot" });
  }
  registryDown(): Promise<void> {
    return this.#order({ action: "registryDown" });
  }
  registryUp(): Promise<void> {
    return this.#order({ action: "registryUp" });
  }
  down(): Promise<void> {
    return this.#order({ action: "down" });
  }

  async #order(order: Order): Promise<void> {
    const connection = await Deno.connect({ transport: "unix", path: controlOf(this.name) });
    await connection.write(new TextEncoder().encode(`${JSON.stringify(order)}\n`));
    const line = await readLine(connection);
    connection.close();
    const answer: Answer = JSON.parse(line);
    if (!answer.ok) throw new Error(`${order.action}: ${answer.error}`);
  }
}
