import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type Check, container, deployment, pod, script } from "../check.ts";

export const checks: Check[] = [
  {
    name: "the node is Ready and names its runtime",
    item: "node Ready with the right runtime",
    async run({ cluster, get }) {
      const { status } = await get("node", cluster.nodeName);
      const ready = status.conditions.find(({ type }: { type: string }) => type === "Ready");
      assertEquals(ready.status, "True");
      assertMatch(status.nodeInfo.containerRuntimeVersion, new RegExp(`^${cluster.runtime}://`));
      assertEquals(status.nodeInfo.kubeletVersion, "v1.37.2");
    },
  },
  {
    name: "a pod runs to its end and its output is kept",
    item: "pod, kubectl logs",
    async run({ cluster, apply, podIs, logs }) {
      await apply(
        pod("once", { containers: [script("main", cluster.image("busybox"), "echo hello; echo error >&2")] }),
      );
      const { status } = await podIs("once", "Succeeded");
      assertEquals(status.containerStatuses[0].state.terminated.exitCode, 0);
      assertEquals((await logs("once")).split("\n").sort(), ["", "error", "hello"]);
    },
  },
  {
    name: "a pod's failure and its exit code are told",
    item: "pod, exit code",
    async run({ cluster, apply, podIs }) {
      await apply(pod("fails", { containers: [script("main", cluster.image("busybox"), "exit 7")] }));
      const { status } = await podIs("fails", "Failed");
      assertEquals(status.containerStatuses[0].state.terminated.exitCode, 7);
      assertEquals(status.containerStatuses[0].state.terminated.reason, "Error");
    },
  },
  {
    name: "a command is run in a container",
    item: "kubectl exec",
    async run({ cluster, apply, ready, exec, tryKubectl }) {
      await apply(pod("there", { containers: [container("main", cluster.image("busybox"))] }));
      await ready("there");
      assertStringIncludes(await exec("there", "cat", "/etc/passwd"), "www-data");
      assertEquals((await tryKubectl("exec", "there", "--", "sh", "-c", "exit 5")).code, 5);
    },
  },
  {
    name: "a Deployment becomes available, scales and rolls",
    item: "Deployment",
    async run({ cluster, apply, kubectl, get, until }) {
      const spec = (text: string) => ({
        containers: [container("main", cluster.image("busybox"), { env: [{ name: "TEXT", value: text }] })],
      });
      await apply(deployment("web", 2, spec("one")));
      await kubectl("rollout", "status", "deployment/web", "--timeout=60s");
      await kubectl("scale", "deployment/web", "--replicas=3");
      await kubectl("rollout", "status", "deployment/web", "--timeout=60s");
      assertEquals((await get("deployment", "web")).status.availableReplicas, 3);
      await apply(deployment("web", 3, spec("two")));
      await kubectl("rollout", "status", "deployment/web", "--timeout=60s");
      await until("the old pods are gone", async () => {
        const names = (await kubectl("get", "pods", "-l", "app=web", "-o", "name")).trim().split("\n");
        return names.length === 3;
      });
      assertEquals((await kubectl("exec", "deployment/web", "--", "sh", "-c", "echo $TEXT")).trim(), "two");
    },
  },
];
