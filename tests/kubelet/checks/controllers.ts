/** Deployment, StatefulSet, DaemonSet. */
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { type Check, container, deployment, script, template } from "../check.ts";

/** Ready once it has written its start into a file, a second after it began. */
const slowly = "sleep 1; date +%s >/tmp/ready; exec sleep 3600";
const readiness = { readinessProbe: { exec: { command: ["cat", "/tmp/ready"] }, periodSeconds: 1 } };

export const checks: Check[] = [
  {
    name: "a Deployment's broken version never replaces the good one, and is undone",
    item: "Deployment",
    async run({ cluster, apply, kubectl, get, until }) {
      const version = (text: string, fields = {}) => ({
        containers: [script("main", cluster.image("busybox"), text, fields)],
      });
      const rolling = { strategy: { rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } } };
      await apply(deployment("web", 2, version("echo good; exec sleep 3600"), rolling));
      await kubectl("rollout", "status", "deployment/web", "--timeout=60s");
      // A container without a readiness probe is ready as long as it lives, however short that is.
      const never = { readinessProbe: { exec: { command: ["false"] } } };
      await apply(deployment("web", 2, version("exit 3", never), rolling));
      await until("the new version's pod has failed", async () => {
        const codes = await kubectl(
          "get",
          "pods",
          "-o",
          "jsonpath={..state.terminated.exitCode} {..lastState.terminated.exitCode}",
        );
        return codes.includes("3");
      });
      assertEquals((await get("deployment", "web")).status.availableReplicas, 2);
      await kubectl("rollout", "undo", "deployment/web");
      await kubectl("rollout", "status", "deployment/web", "--timeout=60s");
      assertEquals(await kubectl("logs", "deployment/web"), "good\n");
    },
  },
  {
    name: "a StatefulSet starts in order, with names that stay",
    item: "StatefulSet",
    async run({ cluster, apply, kubectl, get, until, exec }) {
      await apply({
        apiVersion: "apps/v1",
        kind: "StatefulSet",
        metadata: { name: "db" },
        spec: {
          replicas: 2,
          serviceName: "db",
          selector: { matchLabels: { app: "db" } },
          template: template("db", { containers: [script("main", cluster.image("busybox"), slowly, readiness)] }),
        },
      });
      await kubectl("rollout", "status", "statefulset/db", "--timeout=60s");
      assertEquals((await exec("db-1", "hostname")).trim(), "db-1");
      const first = Number(await exec("db-0", "cat", "/tmp/ready"));
      const second = Number(await exec("db-1", "cat", "/tmp/ready"));
      assert(second > first, `db-1 was ready at ${second}, db-0 at ${first}`);
      const { uid } = (await get("pod", "db-0")).metadata;
      await kubectl("delete", "pod", "db-0");
      await until("db-0 is there again", async () => {
        const { metadata, status } = await get("pod", "db-0").catch(() => ({ metadata: { uid }, status: {} }));
        return metadata.uid !== uid && status.containerStatuses?.[0].ready;
      });
      assertEquals((await exec("db-0", "hostname")).trim(), "db-0");
    },
  },
  {
    name: "a DaemonSet has one pod on the node, and another when that one is deleted",
    item: "DaemonSet",
    async run({ cluster, apply, kubectl, get, until, exec }) {
      const containers = [container("main", cluster.image("busybox"), {
        env: [{ name: "NODE", valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } }],
      })];
      await apply({
        apiVersion: "apps/v1",
        kind: "DaemonSet",
        metadata: { name: "agent" },
        spec: { selector: { matchLabels: { app: "agent" } }, template: template("agent", { containers }) },
      });
      await kubectl("rollout", "status", "daemonset/agent", "--timeout=60s");
      const names = async () => (await kubectl("get", "pods", "-l", "app=agent", "-o", "name")).trim();
      const before = await names();
      assertEquals(before.split("\n").length, 1);
      assertEquals((await exec(before, "sh", "-c", "echo $NODE")).trim(), cluster.nodeName);
      await kubectl("delete", before);
      await until("another pod is ready", async () => (await get("daemonset", "agent")).status.numberReady === 1);
      assertNotEquals(await names(), before);
    },
  },
];
