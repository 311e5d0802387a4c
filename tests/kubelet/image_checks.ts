/** What the checks of images share: images that no other check has, what the kubelet says of a pull, crictl. */
import { busyboxLayer, path } from "../images/busybox.ts";
import { type Image, image, layer } from "../images/image.ts";
import { RegistryStorage } from "../support/registry_storage.ts";
import { tools } from "../support/tools.ts";
import type { CheckContext, Cluster } from "./check.ts";

/** busybox with a file /mark of the given content, which makes it an image of its own; `more` bytes make it larger. */
export function markedImage(mark: string, more = 0): Image {
  const filler = new Uint8Array(more);
  for (let at = 0; at < more; at += 65_536) crypto.getRandomValues(filler.subarray(at, at + 65_536));
  const files = [{ path: "mark", data: `${mark}\n` }, ...more > 0 ? [{ path: "filler", data: filler }] : []];
  return image([layer(busyboxLayer()), layer(files)], { Env: [path], Cmd: ["cat", "/mark"] });
}

/** Puts it on both registries of the cluster, and returns repository and tag. */
export async function putImage({ cluster, namespace }: CheckContext, content: Image, tag = "1"): Promise<string> {
  const repository = `checks/${namespace}`;
  await new RegistryStorage(cluster.registryStorage).add(repository, tag, content);
  return `${repository}:${tag}`;
}

/** The same by way of the mirror, straight from the registry, and from the registry that asks for a password. */
export const onMirror = (name: string) => `registry.test/${name}`;
export const onRegistry = (name: string) => `127.0.0.1:5000/${name}`;
export const onPrivate = ({ privateRegistry }: Cluster, name: string) => `127.0.0.1:${privateRegistry.port}/${name}`;

export const crictl = (cluster: Cluster, ...args: string[]) =>
  cluster.run(tools.crictl, "-t", "30s", "-r", `unix://${cluster.socket}`, "-i", `unix://${cluster.socket}`, ...args);

/** Why the first container of a pod waits, once the reason is one of these. */
export async function waitsFor(
  { get, until }: CheckContext,
  name: string,
  reasons: string[],
  seconds = 30,
): Promise<{ reason: string; message: string }> {
  return await until(`${name} waits because of ${reasons.join(" or ")}`, async () => {
    const waiting = (await get("pod", name)).status.containerStatuses?.[0]?.state.waiting;
    return waiting !== undefined && reasons.includes(waiting.reason) && waiting;
  }, seconds);
}

/** Messages of a pod's events with the given reason. */
export async function eventsOf({ kubectl }: CheckContext, name: string, reason: string): Promise<string[]> {
  const { items } = JSON.parse(
    await kubectl("get", "events", "--field-selector", `involvedObject.name=${name},reason=${reason}`, "-o", "json"),
  );
  return items.map(({ message }: { message: string }) => message);
}
