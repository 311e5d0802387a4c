import type { Logger } from "../observe/types.ts";
import { Code, messageOf, RpcError } from "../rpc/status.ts";
import type { Kernel } from "../sys/mod.ts";
import { type Conflist, isObject, type PluginConfig, versionAtLeast } from "./conflist.ts";
import { isPinned } from "./netns.ts";
import type { PluginRunner } from "./plugin.ts";
import { capabilityValues, runtimeConfigFor } from "./runtime_config.ts";
import type { PodNetwork } from "./types.ts";

/** The interface in the pod; what kubelet and the plugins of the field take for granted. */
export const IFNAME = "eth0";

/** Milliseconds. A plugin that needs longer to say that it is ready is not. */
const STATUS_TIMEOUT = 5000;

const CONTAINER_ID = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;

/** Runs all plugins of a list for one pod. */
export class ListRunner {
  #kernel: Kernel;
  #plugins: PluginRunner;
  #timeout: number;
  #logger: Logger;

  /** `timeout` in milliseconds is for the whole list, each time it is run. */
  constructor(kernel: Kernel, plugins: PluginRunner, timeout: number, logger: Logger) {
    this.#kernel = kernel;
    this.#plugins = plugins;
    this.#timeout = timeout;
    this.#logger = logger;
  }

  /**
   * ADD in order. `accept` gets the last result and may refuse it by throwing. After any failure everything is
   * DELeted, and the original error thrown (with that of the DEL, if it failed too).
   */
  async add<T>(
    list: Conflist,
    pod: PodNetwork,
    options: { signal?: AbortSignal; onStep?: (plugin: string) => void },
    accept: (result: Record<string, unknown>) => T,
  ): Promise<T> {
    const values = capabilityValues(pod);
    const parameters = this.#parameters(pod, IFNAME, pod.netns);
    this.#refuseMissing(list, pod);
    if (options.signal?.aborted) {
      throw new RpcError(Code.CANCELLED, `Cannot set up the network of pod ${podName(pod)}: it was cancelled`);
    }
    const deadline = performance.now() + this.#timeout;
    let prevResult: Record<string, unknown> | undefined;
    try {
      for (const plugin of list.plugins) {
        options.onStep?.(plugin.type);
        prevResult = await this.#plugins.run({
          ...this.#callOf(list, plugin, pod),
          verb: "ADD",
          parameters,
          config: configOf(list, plugin, values, prevResult),
          timeout: deadline - performance.now(),
          signal: options.signal,
        });
      }
      return accept(prevResult!);
    } catch (error) {
      options.onStep?.("DEL after a failed ADD");
      const failures = await this.del(list, pod, IFNAME, prevResult, { keepGoing: true });
      if (failures.length === 0) throw error;
      const code = error instanceof RpcError ? error.code : Code.INTERNAL;
      const undo = failures.map(messageOf).join("; ");
      throw new RpcError(code, `${messageOf(error)}; undoing it failed, too: ${undo}`);
    }
  }

  /**
   * DEL in reverse order; returns what failed. Without `keepGoing` it stops at the first failure, as the
   * specification says: were the address given back while a host port still leads to it, another pod would get that traffic.
   */
  async del(
    list: Conflist,
    pod: PodNetwork,
    ifname: string,
    result: unknown,
    options: { keepGoing: boolean },
  ): Promise<unknown[]> {
    const values = this.#valuesForDel(pod);
    const parameters = this.#parameters(pod, ifname, isPinned(this.#kernel, pod.netns) ? pod.netns : "");
    const prevResult = isObject(result) && versionAtLeast(list.cniVersion, "0.4.0") ? result : undefined;
    const deadline = performance.now() + this.#timeout;
    const failures: unknown[] = [];
    for (const plugin of list.plugins.toReversed()) {
      try {
        await this.#plugins.run({
          ...this.#callOf(list, plugin, pod),
          verb: "DEL",
          parameters,
          config: configOf(list, plugin, values, prevResult),
          // Where all must have their chance, one that hangs must not use up the time of the others.
          timeout: options.keepGoing ? this.#timeout : deadline - performance.now(),
        });
      } catch (error) {
        failures.push(error);
        if (!options.keepGoing) break;
      }
    }
    return failures;
  }

  /** STATUS of each plugin in order; throws what the first that is not ready says. */
  async status(list: Conflist, signal: AbortSignal): Promise<void> {
    for (const plugin of list.plugins) {
      await this.#plugins.run({
        verb: "STATUS",
        type: plugin.type,
        networkName: list.name,
        parameters: {},
        config: configOf(list, plugin, {}, undefined),
        timeout: Math.min(this.#timeout, STATUS_TIMEOUT),
        signal,
      });
    }
  }

  #refuseMissing(list: Conflist, pod: PodNetwork): void {
    const missing = this.#plugins.missing(list.plugins.map(({ type }) => type));
    if (missing.length === 0) return;
    throw new RpcError(
      Code.UNAVAILABLE,
      `Cannot set up the network of pod ${podName(pod)}: ${missingMessage(list.name, missing)}`,
    );
  }

  #valuesForDel(pod: PodNetwork): Record<string, unknown> {
    try {
      return capabilityValues(pod);
    } catch (error) {
      // Such a pod never got past ADD; what other runtimes or versions may have made for it must still go.
      this.#logger.warn("CNI DEL runs without runtimeConfig", { pod: podName(pod), sandbox: pod.sandboxId, error });
      return {};
    }
  }

  #callOf(list: Conflist, plugin: PluginConfig, pod: PodNetwork) {
    return { type: plugin.type, networkName: list.name, pod: podName(pod) };
  }

  #parameters(pod: PodNetwork, ifname: string, netns: string): Record<string, string> {
    if (!CONTAINER_ID.test(pod.sandboxId)) {
      throw new RpcError(Code.INVALID_ARGUMENT, `Cannot run CNI for the sandbox ID ${JSON.stringify(pod.sandboxId)}`);
    }
    return { CNI_CONTAINERID: pod.sandboxId, CNI_NETNS: netns, CNI_IFNAME: ifname, CNI_ARGS: cniArgs(pod) };
  }
}

/** What is wrong, and the fix, where plugins of a network are not installed. */
export function missingMessage(networkName: string, missing: string[]): string {
  return `CNI network "${networkName}" needs ${missing.map((type) => `"${type}"`).join(", ")}, ` +
    "which is in none of the plugin folders: install it, or set cni.pluginDirs";
}

export function podName(pod: PodNetwork): string {
  return `${pod.namespace}/${pod.name}`;
}

function configOf(
  list: Conflist,
  plugin: PluginConfig,
  values: Record<string, unknown>,
  prevResult: Record<string, unknown> | undefined,
): Record<string, unknown> {
  const runtimeConfig = runtimeConfigFor(plugin, values);
  return {
    ...plugin,
    name: list.name,
    cniVersion: list.cniVersion,
    ...(runtimeConfig === undefined ? {} : { runtimeConfig }),
    ...(prevResult === undefined ? {} : { prevResult }),
  };
}

function cniArgs(pod: PodNetwork): string {
  const pairs: [string, string][] = [
    ["IgnoreUnknown", "1"],
    ["K8S_POD_NAMESPACE", pod.namespace],
    ["K8S_POD_NAME", pod.name],
    ["K8S_POD_INFRA_CONTAINER_ID", pod.sandboxId],
    ["K8S_POD_UID", pod.uid],
  ];
  for (const [key, value] of pairs) {
    // A value could otherwise smuggle in a variable of its own.
    // deno-lint-ignore no-control-regex
    if (/[;=\x00-\x1f\x7f]/.test(value)) {
      throw new RpcError(Code.INVALID_ARGUMENT, `Cannot pass ${key}=${JSON.stringify(value)} to CNI plugins`);
    }
  }
  return pairs.map((pair) => pair.join("=")).join(";");
}
