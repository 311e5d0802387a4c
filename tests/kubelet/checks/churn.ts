/** The node's programs come and go under running pods. */
import { assertEquals } from "@std/assert";
import { type Check, type CheckContext, container, deployment, pod, script } from "../check.ts";
import { ipamLeases } from "../leases.ts";

interface ContainerState {
  containerID: string;
  restartCount: number;
}

/** Of every container in the check's pods: which one it is, and how often it was started again. */
async function containers({ kubectl }: CheckContext): Promise<Record<string, ContainerState>> {
  const { items } = JSON.parse(await kubectl("get", "pods", "-o", "json"));
  const states: Record<string, ContainerState> = {};
  for (const { metadata, status } of items) {
    for (const { name, containerID, restartCount } of status.containerStatuses ?? []) {
      states[`${metadata.name}/${name}`] = { containerID, restartCount };
    }
  }
  return states;
}

/** A pod that counts seconds into its log, one that nobody touches, and one that ends by itself meanwhile: all run. */
async function startWitnesses({ cluster, apply, ready, kubectl }: CheckContext): Promise<void> {
  const image = cluster.image("busybox");
  await apply(
    pod("counts", { containers: [script("main", image, "i=0; while :; do echo $i; i=$((i + 1)); sleep 1; done")] }),
    deployment("stays", 2, { containers: [container("main", image)] }),
  );
  await ready("counts");
  await kubectl("rollout", "status", "deployment/stays", "--timeout=60s");
  // Last, so that it still runs when the act begins. Without it being ready its creation may be what is cut off, and the
  // kubelet then counts a second attempt.
  await apply(pod("ends", { containers: [script("main", image, "sleep 12; echo over; exit 3")] }));
  await ready("ends");
}

/** The numbers in the log of `counts` have no gap: no line was lost. */
async function countsOn({ logs, until }: CheckContext): Promise<void> {
  const before = (await logs("counts")).trim().split("\n").length;
  await until("the log grows", async () => (await logs("counts")).trim().split("\n").length > before + 1, 20);
  const lines = (await logs("counts")).trim().split("\n");
  assertEquals(lines, lines.map((_, number) => String(number)));
}

/** `act` under running pods changes none of them; what ended meanwhile is told, and new pods start. */
async function survives(context: CheckContext, act: () => Promise<void>): Promise<void> {
  const { cluster, apply, podIs, exec, logs } = context;
  await startWitnesses(context);
  const before = await containers(context);
  await act();
  const { status } = await podIs("ends", "Failed");
  assertEquals(status.containerStatuses[0].state.terminated.exitCode, 3);
  assertEquals(await logs("ends"), "over\n");
  await countsOn(context);
  assertEquals((await exec("counts", "echo", "here")).trim(), "here");
  assertEquals(await containers(context), before);
  await apply(pod("afterwards", { containers: [script("main", cluster.image("busybox"), "echo new")] }));
  await podIs("afterwards", "Succeeded");
}

export const checks: Check[] = [
  {
    name: "a restart of the daemon is not seen by running pods",
    item: "churn: daemon restart",
    alone: true,
    run: (context) => survives(context, () => context.cluster.restartDaemon()),
  },
  {
    name: "kill -9 of the daemon is not seen by running pods",
    item: "churn: kill -9",
    alone: true,
    run: (context) => survives(context, () => context.cluster.killDaemon()),
  },
  {
    name: "a restart of the kubelet is not seen by running pods",
    item: "churn: kubelet restart",
    alone: true,
    run: (context) => survives(context, () => context.cluster.restartKubelet()),
  },
  {
    name: "pods that are made and removed while the daemon is killed leave nothing",
    item: "churn: kill -9",
    alone: true,
    timeout: 240,
    async run(context) {
      const { cluster, apply, kubectl, until } = context;
      const before = await ipamLeases(cluster);
      const spec = { containers: [container("main", cluster.image("busybox"))] };
      for (let round = 0; round < 3; round++) {
        const applied = apply(deployment("churned", 6, spec));
        await cluster.killDaemon();
        await applied;
        await kubectl("scale", "deployment/churned", `--replicas=${round}`);
        await cluster.killDaemon();
      }
      await kubectl("rollout", "status", "deployment/churned", "--timeout=90s");
      await kubectl("delete", "deployment", "churned");
      await until("no pod is left", async () => (await kubectl("get", "pods", "-o", "name")).trim() === "", 90);
      await until("every address is given back", async () => (await ipamLeases(cluster)).length <= before.length, 60);
    },
  },
  {
    name: "after a reboot pods come back, nothing is pulled, no address is lost",
    item: "churn: reboot",
    alone: true,
    timeout: 240,
    async run(context) {
      const { cluster, apply, kubectl, until, get } = context;
      const image = cluster.image("busybox");
      await apply(
        deployment("stays", 3, { containers: [container("main", image, { imagePullPolicy: "IfNotPresent" })] }),
        pod("restarts", { restartPolicy: "Always", containers: [container("main", image)] }),
        pod("never", { containers: [container("main", image)] }),
      );
      await kubectl("rollout", "status", "deployment/stays", "--timeout=60s");
      await kubectl("wait", "pod/restarts", "pod/never", "--for=condition=Ready", "--timeout=60s");
      const bootId = (await get("node", cluster.nodeName)).status.nodeInfo.bootID;
      const addresses = (await ipamLeases(cluster)).length;
      await cluster.registryDown();
      try {
        await cluster.reboot();
        await until("the containers have started again", async () => {
          const states = Object.entries(await containers(context)).filter(([name]) => !name.startsWith("never/"));
          return states.length === 4 && states.every(([, { restartCount }]) => restartCount > 0);
        }, 90);
        await kubectl("wait", "pod/restarts", "--for=condition=Ready", "--timeout=60s");
        await kubectl("rollout", "status", "deployment/stays", "--timeout=60s");
      } finally {
        await cluster.registryUp();
      }
      await until("the node has a new boot id", async () => {
        return (await get("node", cluster.nodeName)).status.nodeInfo.bootID !== bootId;
      });
      // The kubelet does not start again what shall never be, and says that it is over.
      await until("what shall not be restarted has ended", async () => {
        return /Failed|Succeeded/.test((await get("pod", "never")).status.phase);
      });
      const { items } = JSON.parse(await kubectl("get", "events", "-o", "json"));
      // deno-lint-ignore no-explicit-any
      const pulls = items.filter((event: any) => event.reason === "Pulled" && /^Successfully/.test(event.message));
      assertEquals(pulls.length <= 3, true, "an image was pulled after the reboot");
      await until("addresses of before the reboot are free again", async () => {
        return (await ipamLeases(cluster)).length <= addresses;
      }, 60);
    },
  },
];
