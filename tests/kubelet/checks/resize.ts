/** Limits that change while the containers run, and limits of a whole pod. */
import { assert, assertEquals } from "@std/assert";
import { type Check, type CheckContext, container, pod, script } from "../check.ts";
import { hasShares, type Limits, limitsOf } from "../limits.ts";

const MiB = 1 << 20;
const resources = { requests: { cpu: "100m", memory: "32Mi" }, limits: { cpu: "500m", memory: "64Mi" } };

function resize({ kubectl }: CheckContext, name: string, spec: Record<string, unknown>): Promise<string> {
  return kubectl("patch", "pod", name, "--subresource", "resize", "--patch", JSON.stringify({ spec }));
}

function untilLimits(
  { cluster, get, until }: CheckContext,
  name: string,
  main: string | undefined,
  want: Partial<Limits>,
) {
  return until(`${name} has the limits ${JSON.stringify(want)}`, async () => {
    const limits = await limitsOf(cluster, await get("pod", name), main);
    return Object.entries(want).every(([key, value]) => limits[key as keyof Limits] === value) && limits;
  });
}

export const checks: Check[] = [
  {
    name: "a running container's limits are changed in place",
    item: "in-place resize",
    async run(context) {
      const { cluster, apply, ready, get, exec, until } = context;
      const text = "exec sleep 3600";
      await apply(pod("resized", { containers: [script("main", cluster.image("busybox"), text, { resources })] }));
      await ready("resized");
      await exec("resized", "touch", "/tmp/before");
      const more = { requests: { cpu: "200m", memory: "48Mi" }, limits: { cpu: "250m", memory: "96Mi" } };
      await resize(context, "resized", { containers: [{ name: "main", resources: more }] });
      const limits = await untilLimits(context, "resized", "main", { memory: 96 * MiB, cpu: 250 });
      assert(hasShares(cluster, limits, 204), `shares or weight: ${limits.cpuShares}`);
      const told = await until("the pod's status has the new limits", async () => {
        const [main] = (await get("pod", "resized")).status.containerStatuses;
        return main.resources.limits.memory === "96Mi" && main;
      });
      assertEquals([told.resources, told.restartCount], [more, 0]);
      assertEquals(await exec("resized", "ls", "/tmp/before"), "/tmp/before\n");
      await untilLimits(context, "resized", undefined, { memory: 96 * MiB, cpu: 250 });
    },
  },
  {
    name: "a memory limit is lowered in place",
    item: "in-place resize",
    async run(context) {
      const { cluster, apply, ready, get } = context;
      await apply(pod("lowered", { containers: [container("main", cluster.image("busybox"), { resources })] }));
      await ready("lowered");
      const less = { requests: { cpu: "100m", memory: "32Mi" }, limits: { cpu: "500m", memory: "40Mi" } };
      await resize(context, "lowered", { containers: [{ name: "main", resources: less }] });
      await untilLimits(context, "lowered", "main", { memory: 40 * MiB });
      assertEquals((await get("pod", "lowered")).status.containerStatuses[0].restartCount, 0);
    },
  },
  {
    name: "a container that wants it is started again by a resize, with the new limits",
    item: "in-place resize, resizePolicy",
    async run(context) {
      const { cluster, apply, ready, get, until } = context;
      const resizePolicy = [{ resourceName: "memory", restartPolicy: "RestartContainer" }];
      await apply(pod("restarts", {
        restartPolicy: "Always",
        containers: [container("main", cluster.image("busybox"), { resources, resizePolicy })],
      }));
      await ready("restarts");
      const more = { ...resources, limits: { cpu: "500m", memory: "96Mi" } };
      await resize(context, "restarts", { containers: [{ name: "main", resources: more }] });
      await until("the container runs again", async () => {
        const [main] = (await get("pod", "restarts")).status.containerStatuses;
        return main.restartCount === 1 && main.state.running;
      });
      await untilLimits(context, "restarts", "main", { memory: 96 * MiB });
    },
  },
  {
    name: "a limit of the whole pod holds for a container that has none",
    item: "pod-level resources",
    async run(context) {
      const { cluster, apply, ready, kubectl, until, get } = context;
      const limits = { cpu: "500m", memory: "48Mi" };
      const text = "while [ ! -e /dev/shm/go ]; do sleep 0.2; done; exec dd if=/dev/zero of=/dev/null bs=200M count=1";
      await apply(pod("together", {
        resources: { limits, requests: { cpu: "50m", memory: "16Mi" } },
        containers: [
          container("small", cluster.image("busybox"), { resources: { limits: { memory: "16Mi" } } }),
          script("main", cluster.image("busybox"), text),
        ],
      }));
      const together = await ready("together");
      const { memory, cpu } = await limitsOf(cluster, together);
      assertEquals([memory, cpu], [48 * MiB, 500]);
      assertEquals((await limitsOf(cluster, together, "small")).memory, 16 * MiB);
      await kubectl("exec", "together", "-c", "small", "--", "touch", "/dev/shm/go");
      const ended = await until("the container that takes 200 MB has ended", async () => {
        const { containerStatuses } = (await get("pod", "together")).status;
        return containerStatuses.find(({ name }: { name: string }) => name === "main").state.terminated;
      });
      assertEquals(ended.exitCode, 137);
    },
  },
  {
    name: "a pod's own limits are changed in place",
    item: "in-place resize of pods",
    async run(context) {
      const { cluster, apply, ready, get } = context;
      const of = (memory: string, cpu: string) => ({
        limits: { memory, cpu },
        requests: { memory: "16Mi", cpu: "50m" },
      });
      await apply(
        pod("together", { resources: of("48Mi", "500m"), containers: [container("main", cluster.image("busybox"))] }),
      );
      const before = await limitsOf(cluster, await ready("together"));
      assertEquals([before.memory, before.cpu], [48 * MiB, 500]);
      await resize(context, "together", { resources: of("80Mi", "700m") });
      await untilLimits(context, "together", undefined, { memory: 80 * MiB, cpu: 700 });
      assertEquals((await get("pod", "together")).status.containerStatuses[0].restartCount, 0);
    },
  },
];
