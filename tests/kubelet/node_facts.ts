/** What a kubelet tells about itself and its node, by way of the API server. */
import { tools } from "../support/tools.ts";
import type { CheckContext } from "./check.ts";

/** A page of the kubelet's own server. */
export function kubeletPage({ cluster, kubectl }: CheckContext, path: string): Promise<string> {
  return kubectl("get", "--raw", `/api/v1/nodes/${cluster.nodeName}/proxy/${path}`);
}

/** The kubelet's configuration as it runs. */
// deno-lint-ignore no-explicit-any
export async function kubeletConfig(context: CheckContext): Promise<any> {
  return JSON.parse(await kubeletPage(context, "configz")).kubeletconfig;
}

/** Value of a metric of the kubelet's own; undefined where there is no row that begins so. */
export async function kubeletMetric(context: CheckContext, name: string): Promise<number | undefined> {
  const line = (await kubeletPage(context, "metrics")).split("\n").find((line) => line.startsWith(name));
  return line === undefined ? undefined : Number(line.slice(line.lastIndexOf(" ") + 1));
}

/** What the runtime says of itself, as crictl shows it. */
// deno-lint-ignore no-explicit-any
export async function runtimeSays({ cluster }: CheckContext, verb: "info" | "version"): Promise<any> {
  const text = await cluster.run(
    tools.crictl,
    "-r",
    `unix://${cluster.socket}`,
    verb,
    ...verb === "info" ? ["-o", "json"] : [],
  );
  if (verb === "info") return JSON.parse(text);
  return Object.fromEntries(text.trim().split("\n").map((line) => line.split(/:\s+/)));
}

/** Waits for the node's condition Ready, and returns the condition. */
export async function nodeIs(
  { cluster, get, until }: CheckContext,
  wanted: "True" | "False",
  seconds = 60,
): Promise<{ reason: string; message: string }> {
  return await until(`the node's Ready is ${wanted}`, async () => {
    const { conditions } = (await get("node", cluster.nodeName)).status;
    const ready = conditions.find(({ type }: { type: string }) => type === "Ready");
    return ready.status === wanted && ready;
  }, seconds);
}
