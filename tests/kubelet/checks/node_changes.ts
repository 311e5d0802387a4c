import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type Check, type CheckContext, container, deployment, pod, script } from "../check.ts";
import { kubeletMetric, nodeIs } from "../node_facts.ts";
import { defaults, featureGates } from "../options.ts";
import { podNetwork } from "../pod_network.ts";

/** A DaemonSet as network add-ons have it: on the node's own network, it writes the node's CNI configuration. */
function networkAddon({ cluster }: CheckContext, conflist: string): object {
  return {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: { name: "network" },
    spec: {
      selector: { matchLabels: { app: "network" } },
      template: {
        metadata: { labels: { app: "network" } },
        spec: {
          hostNetwork: true,
          terminationGracePeriodSeconds: 1,
          tolerations: [{ operator: "Exists" }],
          containers: [
            script(
              "install",
              cluster.image("busybox"),
              'printf %s "$CONFLIST" >/cni/.new && mv /cni/.new /cni/10-test.conflist; trap "exit 0" TERM; sleep 3600 & wait $!',
              { env: [{ name: "CONFLIST", value: conflist }], volumeMounts: [{ name: "cni", mountPath: "/cni" }] },
            ),
          ],
          volumes: [{ name: "cni", hostPath: { path: cluster.cniConfig } }],
        },
      },
    },
  };
}

export const checks: Check[] = [
  {
    name: "without a CNI configuration the node is NotReady, and a DaemonSet that writes one makes it Ready",
    item: "CNI config that arrives after the node",
    alone: true,
    timeout: 180,
    async run(context) {
      const { cluster, apply, ready, kubectl, get } = context;
      const file = `${cluster.cniConfig}/10-test.conflist`;
      const conflist = await cluster.run("cat", file);
      await cluster.run("rm", file);
      try {
        const { reason, message } = await nodeIs(context, "False");
        assertEquals(reason, "KubeletNotReady");
        assertStringIncludes(message, "NetworkPluginNotReady");
        if (cluster.runtime === "skiff") assertStringIncludes(message, cluster.cniConfig);
        // Everything tolerates a node that is not ready, so that the kubelet gets it.
        await apply(pod("waits", {
          nodeName: cluster.nodeName,
          tolerations: [{ operator: "Exists" }],
          containers: [container("main", cluster.image("busybox"))],
        }));
        await apply(networkAddon(context, conflist));
        await nodeIs(context, "True");
        await kubectl("rollout", "status", "daemonset/network", "--timeout=60s");
      } finally {
        if ((await cluster.tryRun("test", "-e", file)).code !== 0) {
          await cluster.run("sh", "-c", 'printf %s "$1" >$0', file, conflist);
        }
        await nodeIs(context, "True");
      }
      const { status } = await ready("waits");
      assert(status.podIP.startsWith((await podNetwork(cluster)).prefix), status.podIP);
      assertEquals((await get("daemonset", "network")).status.numberReady, 1);
    },
  },
  {
    name: "drain empties the node of what can go elsewhere, and uncordon lets it come back",
    item: "drain and uncordon",
    alone: true,
    timeout: 240,
    async run(context) {
      const { cluster, apply, kubectl, until, get } = context;
      await apply(deployment("web", 2, { containers: [container("main", cluster.image("busybox"))] }));
      await kubectl("rollout", "status", "deployment/web", "--timeout=60s");
      const before = (await kubectl("get", "pods", "-l", "app=web", "-o", "name")).trim().split("\n").sort();
      try {
        const said = await kubectl(
          ...["drain", cluster.nodeName, "--ignore-daemonsets", "--force", "--delete-emptydir-data", "--timeout=90s"],
          "--pod-selector=app=web",
        );
        for (const name of before) assertStringIncludes(said, `${name} evicted`);
        assertEquals((await get("node", cluster.nodeName)).spec.unschedulable, true);
        const pods = JSON.parse(await kubectl("get", "pods", "-l", "app=web", "-o", "json")).items;
        assert(pods.every(({ status }: { status: { phase: string } }) => status.phase === "Pending"), "a pod is left");
      } finally {
        await kubectl("uncordon", cluster.nodeName);
      }
      await kubectl("rollout", "status", "deployment/web", "--timeout=60s");
      const after = (await kubectl("get", "pods", "-l", "app=web", "-o", "name")).trim().split("\n").sort();
      assertEquals(after.filter((name) => before.includes(name)), []);
      await until("they run", async () => {
        return (await kubectl("exec", "deployment/web", "--", "echo", "back")) === "back\n";
      }, 20);
    },
  },
  {
    name: "the kubelet gets the runtime's events, and init containers run once with them",
    item: "EventedPLEG",
    alone: true,
    timeout: 180,
    async run(context) {
      const { cluster, apply, podIs, ready, kubectl } = context;
      await cluster.restartKubelet({
        featureGates: { ...featureGates({ ...defaults, statsFromCRI: cluster.statsFromCRI }), EventedPLEG: true },
      });
      try {
        await context.until("the kubelet has connected", async () => {
          return (await kubeletMetric(context, "kubelet_evented_pleg_connection_success_count") ?? 0) > 0;
        }, 20);
        const image = cluster.image("busybox");
        const received = async () =>
          await kubeletMetric(context, "kubelet_evented_pleg_connection_latency_seconds_count") ?? 0;
        const before = await received();
        await apply(pod("ends", {
          initContainers: [script("first", image, "echo once")],
          containers: [script("main", image, "sleep 1; exit 3")],
        }));
        const { status } = await podIs("ends", "Failed", 30);
        // With this gate the kubelet makes a pod's status from other replies, and must not think that none was started.
        assertEquals(status.initContainerStatuses[0].restartCount, 0);
        assertEquals(await context.logs("ends", "-c", "first"), "once\n");
        // The sandbox was created and started, its two containers were created, started and stopped.
        const events = await received() - before;
        assert(events >= 8, `${events} events for a pod of two containers`);
        await apply(pod("goes", { containers: [container("main", image)] }));
        await ready("goes", 15);
        await kubectl("delete", "pod", "goes", "--timeout=15s");
        assertEquals(await kubeletMetric(context, "kubelet_evented_pleg_connection_error_count") ?? 0, 0);
        assertMatch(await cluster.log("kubelet"), /EventedPLEG/);
      } finally {
        await cluster.restartKubelet();
      }
    },
  },
];
