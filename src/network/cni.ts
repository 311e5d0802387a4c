import type { Config } from "../config/types.ts";
import type { Logger } from "../observe/types.ts";
import { Code, messageOf, RpcError } from "../rpc/status.ts";
import { type Kernel, KeyedQueue, type Programs } from "../sys/mod.ts";
import { ConfigFolder, type FolderState } from "./config_folder.ts";
import { type Conflist, parseConflist } from "./conflist.ts";
import { IFNAME, ListRunner, missingMessage, podName } from "./list_run.ts";
import { PluginRunner } from "./plugin.ts";
import { Readiness } from "./readiness.ts";
import { addressesOf } from "./result.ts";
import { cniPortMappings } from "./runtime_config.ts";
import type { Network, NetworkAttachment, NetworkStatus, PodNetwork } from "./types.ts";

/** Calls back when something in the folder changes, or the folder comes or goes. */
export type WatchFolder = (path: string, onChange: () => void) => AsyncDisposable;

export interface CniOptions {
  config: Config["cni"];
  kernel: Kernel;
  programs: Programs;
  logger: Logger;
  /** Wakes the network up at once; without it, or where an event is lost, a rescan each second finds out. */
  watch?: WatchFolder;
}

const RESCAN_MILLISECONDS = 900;
const MAX_PROBLEMS_SHOWN = 5;

/** Pod networks by CNI: one conflist for all pods, the first valid one of the configuration folder. */
export class CniNetwork implements Network, AsyncDisposable {
  #options: CniOptions;
  #logger: Logger;
  #folder: ConfigFolder;
  #plugins: PluginRunner;
  #lists: ListRunner;
  #readiness: Readiness;
  #queue = new KeyedQueue();
  #state: FolderState | undefined;
  #status: NetworkStatus = notReady("the CNI configuration has not been read yet");
  #timer: ReturnType<typeof setInterval> | undefined;
  #watch: AsyncDisposable | undefined;

  constructor(options: CniOptions) {
    const { config, kernel, programs, logger } = options;
    this.#options = options;
    this.#logger = logger;
    this.#folder = new ConfigFolder(kernel, config.configDir);
    this.#plugins = new PluginRunner(kernel, programs, config.pluginDirs);
    this.#lists = new ListRunner(kernel, this.#plugins, config.timeoutSeconds * 1000, logger);
    this.#readiness = new Readiness((list, signal) => this.#lists.status(list, signal), () => this.#refresh());
  }

  /** Reads the configuration and goes on watching it until disposed. */
  start(): void {
    this.#refresh();
    this.#timer ??= setInterval(() => this.#refresh(), RESCAN_MILLISECONDS);
    const { watch, config } = this.#options;
    try {
      this.#watch ??= watch?.(config.configDir, () => this.#refresh());
    } catch (error) {
      this.#logger.warn("the CNI folder cannot be watched; it is looked at each second", { error });
    }
  }

  status(): NetworkStatus {
    return this.#status;
  }

  add(pod: PodNetwork, options: Parameters<Network["add"]>[1]): Promise<NetworkAttachment> {
    return this.#queue.run(pod.sandboxId, async () => {
      this.#refresh();
      const list = this.#state?.network?.conflist;
      if (list === undefined) {
        throw new RpcError(
          Code.UNAVAILABLE,
          `Cannot set up the network of pod ${podName(pod)}: ${this.#status.message}`,
        );
      }
      this.#warnOfLostPorts(list, pod);
      return await this.#lists.add(list, pod, options, (result) => this.#attachment(list, pod, result));
    });
  }

  del(pod: PodNetwork, attachment: NetworkAttachment | undefined): Promise<void> {
    return this.#queue.run(pod.sandboxId, async () => {
      const stored = attachment && this.#storedList(pod, attachment);
      if (attachment === undefined || stored === undefined) return await this.#delUnknown(pod);
      const [failure] = await this.#lists.del(stored, pod, attachment.ifname, attachment.result, { keepGoing: false });
      if (failure !== undefined) throw failure;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    this.#timer = undefined;
    await this.#watch?.[Symbol.asyncDispose]();
    this.#watch = undefined;
    await this.#readiness[Symbol.asyncDispose]();
  }

  #refresh(): void {
    this.#state = this.#folder.read();
    const status = this.#statusOf(this.#state);
    if (status.message === this.#status.message && status.ready === this.#status.ready) return;
    this.#status = status;
    if (status.ready) this.#logger.info("CNI network is ready", { detail: status.message });
    else this.#logger.warn("CNI network is not ready", { reason: status.message });
  }

  #statusOf({ network, problems }: FolderState): NetworkStatus {
    const reasons = problems.slice(0, MAX_PROBLEMS_SHOWN).map(({ file, reason }) => `${file}: ${reason}`);
    if (problems.length > reasons.length) reasons.push(`and ${problems.length - reasons.length} more`);
    const refused = reasons.length === 0 ? "" : ` (not usable: ${reasons.join("; ")})`;
    if (network === undefined) {
      return notReady(`no CNI configuration in ${this.#options.config.configDir}${refused}: put a conflist there`);
    }
    const { name, plugins } = network.conflist;
    const missing = this.#plugins.missing(plugins.map(({ type }) => type));
    // No next file is tried: half an installation must not put pods on another network.
    if (missing.length > 0) return notReady(missingMessage(name, missing));
    const problem = this.#readiness.problem(network.conflist);
    if (problem !== undefined) return notReady(problem);
    return { ready: true, reason: "", message: `network "${name}" from ${network.file}${refused}` };
  }

  #attachment(list: Conflist, pod: PodNetwork, result: Record<string, unknown>): NetworkAttachment {
    let ips: string[];
    try {
      ips = addressesOf(result, IFNAME);
    } catch (error) {
      throw new RpcError(
        Code.INTERNAL,
        `Cannot use what network "${list.name}" answered to ADD of pod ${podName(pod)}: ${messageOf(error)}`,
      );
    }
    if (ips.length === 0) this.#logger.warn("CNI gave the pod no address", { pod: podName(pod), network: list.name });
    return { networkName: list.name, ifname: IFNAME, conflist: list.text, result, ips };
  }

  #storedList(pod: PodNetwork, attachment: NetworkAttachment): Conflist | undefined {
    try {
      return parseConflist(attachment.conflist);
    } catch (error) {
      this.#logger.error("the CNI configuration stored with a pod cannot be read; the present one is used for DEL", {
        pod: podName(pod),
        sandbox: pod.sandboxId,
        error,
      });
      return undefined;
    }
  }

  /** DEL for a pod of which it is not known whether ADD ever ran, or with what: as much as can be had. */
  async #delUnknown(pod: PodNetwork): Promise<void> {
    this.#refresh();
    const list = this.#state?.network?.conflist;
    if (list === undefined) return;
    for (const error of await this.#lists.del(list, pod, IFNAME, undefined, { keepGoing: true })) {
      this.#logger.warn("CNI DEL of a pod without a stored network failed", { sandbox: pod.sandboxId, error });
    }
  }

  #warnOfLostPorts(list: Conflist, pod: PodNetwork): void {
    if (list.plugins.some(({ capabilities }) => capabilities?.portMappings)) return;
    if (pod.portMappings.every(({ hostPort }) => hostPort === 0)) return;
    const ports = cniPortMappings(pod.portMappings).map(({ hostPort }) => hostPort);
    this.#logger.warn(
      "host ports of the pod are not open: the network has no plugin with the portMappings capability",
      {
        pod: podName(pod),
        network: list.name,
        ports,
      },
    );
  }
}

function notReady(message: string): NetworkStatus {
  return { ready: false, reason: "NetworkPluginNotReady", message };
}
