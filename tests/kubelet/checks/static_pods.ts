/** Pods that the node's own folder asks for. */
import { assertEquals } from "@std/assert";
import { type Check, pod, script } from "../check.ts";

export const checks: Check[] = [
  {
    name: "a static pod comes with its file, changes with it, and goes with it",
    item: "static pods",
    async run({ cluster, namespace, kubectl, tryKubectl, until, ready }) {
      const file = `${cluster.staticPods}/${namespace}.yaml`;
      const name = `static-${cluster.nodeName}`;
      const write = async (word: string) => {
        const spec = { containers: [script("main", cluster.image("busybox"), `echo ${word}; exec sleep 3600`)] };
        const text = JSON.stringify(pod("static", { ...spec, restartPolicy: "Always" }, { namespace }));
        // By rename: the kubelet looks at the folder as soon as something is in it.
        await cluster.run("sh", "-c", 'printf %s "$1" >"$0.new" && mv "$0.new" "$0"', file, text);
      };
      const says = (word: string) =>
        until(`the static pod says ${word}`, async () => (await tryKubectl("logs", name)).stdout === `${word}\n`);
      try {
        await write("one");
        await says("one");
        const { metadata } = await ready(name);
        assertEquals(metadata.annotations["kubernetes.io/config.source"], "file");
        await write("two");
        await says("two");
      } finally {
        await cluster.run("rm", "-f", file, `${file}.new`);
      }
      await until("the static pod is gone", async () => (await kubectl("get", "pods", "-o", "name")) === "");
    },
  },
];
