/** RuntimeClass: which OCI runtime runs a pod. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { type Check, type CheckContext, container, pod } from "../check.ts";
import { containerId } from "../limits.ts";
import { eventOf } from "../output.ts";

/** Makes the class of a handler, and takes it away again: classes have no namespace. */
async function classOf({ apply, kubectl, namespace }: CheckContext, handler: string) {
  const name = `${namespace}-${handler}`;
  await apply({ apiVersion: "node.k8s.io/v1", kind: "RuntimeClass", metadata: { name }, handler });
  return {
    name,
    async [Symbol.asyncDispose]() {
      await kubectl("delete", "runtimeclass", name);
    },
  };
}

export const checks: Check[] = [
  {
    name: "a RuntimeClass runs its pods on the runtime that it names",
    item: "RuntimeClass",
    unavailable: ({ runtime }) => runtime === "skiff" ? undefined : "only one runtime is configured",
    async run(context) {
      const { cluster, apply, ready, exec, get } = context;
      const { status } = await get("node", cluster.nodeName);
      const names: string[] = status.runtimeHandlers.map(({ name = "" }) => name);
      const second = cluster.ociRuntime === "runc" ? "crun" : "runc";
      assert(names.includes(second), `the node's handlers are ${names.join(", ")}`);
      await using runtimeClass = await classOf(context, second);
      const containers = [container("main", cluster.image("busybox"))];
      await apply(pod("second", { runtimeClassName: runtimeClass.name, containers }));
      await apply(pod("first", { containers }));
      const ids = [containerId(await ready("second")), containerId(await ready("first"))];
      assertStringIncludes(await exec("second", "cat", "/etc/passwd"), "root");
      // Each runtime keeps its state in a folder that it names itself: state.json is runc's, status is crun's.
      for (const [id, runtime] of [[ids[0], second], [ids[1], cluster.ociRuntime]]) {
        const file = runtime === "runc" ? "state.json" : "status";
        const found = await cluster.run(
          "find",
          cluster.dir,
          "-ignore_readdir_race",
          "-xdev",
          "-path",
          `*/${id}/${file}`,
        );
        assertEquals(found.trim().split("\n").filter(Boolean).length, 1, `${runtime} has no state of ${id}`);
      }
    },
  },
  {
    name: "a RuntimeClass with a handler that the node has not is refused, and named",
    item: "RuntimeClass",
    async run(context) {
      const { cluster, apply } = context;
      await using runtimeClass = await classOf(context, "no-such-runtime");
      const containers = [container("main", cluster.image("busybox"))];
      await apply(pod("refused", { runtimeClassName: runtimeClass.name, containers }));
      await eventOf(context, "refused", /^FailedCreatePodSandBox: .*no-such-runtime/);
    },
  },
];
