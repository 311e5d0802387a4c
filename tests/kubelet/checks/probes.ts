/** Probes of all four kinds, as startup, readiness and liveness probes. */
import { assert, assertEquals } from "@std/assert";
import { type Check, type CheckContext, pod, script } from "../check.ts";
import { eventOf } from "../output.ts";

const quick = { periodSeconds: 1, failureThreshold: 1 };
const exec = (...command: string[]) => ({ exec: { command }, ...quick });

// deno-lint-ignore no-explicit-any
async function mainOf({ get }: CheckContext, name: string): Promise<any> {
  return (await get("pod", name)).status.containerStatuses?.[0] ?? {};
}

async function unready(context: CheckContext, name: string): Promise<void> {
  await context.until(`pod ${name} is not ready`, async () => {
    const { ready, state } = await mainOf(context, name);
    return ready === false && state?.running;
  });
}

async function restarted(context: CheckContext, name: string): Promise<void> {
  await context.until(`pod ${name} was restarted`, async () => (await mainOf(context, name)).restartCount > 0);
}

const agnhostNeeded = ({ has }: CheckContext["cluster"]) => has.agnhost ? undefined : "agnhost is not built";

export const checks: Check[] = [
  {
    name: "an exec probe makes a pod ready, and unready again",
    item: "readiness probe, exec",
    async run(context) {
      const { cluster, apply, ready } = context;
      const containers = [script("main", cluster.image("busybox"), "sleep 1; touch /tmp/ok; exec sleep 3600", {
        readinessProbe: exec("test", "-e", "/tmp/ok"),
      })];
      await apply(pod("probed", { containers }));
      await ready("probed");
      await context.exec("probed", "rm", "/tmp/ok");
      await unready(context, "probed");
      await context.exec("probed", "touch", "/tmp/ok");
      await ready("probed");
      assertEquals((await mainOf(context, "probed")).restartCount, 0);
    },
  },
  {
    name: "an http probe that gets a 404 has the container started again",
    item: "liveness probe, http",
    async run(context) {
      const { cluster, apply, ready } = context;
      const text = "mkdir /tmp/www; echo fine >/tmp/www/health; exec httpd -f -p 8080 -h /tmp/www";
      await apply(pod("served", {
        restartPolicy: "Always",
        containers: [script("main", cluster.image("busybox"), text, {
          livenessProbe: { httpGet: { port: 8080, path: "/health" }, ...quick, initialDelaySeconds: 1 },
          readinessProbe: { httpGet: { port: 8080, path: "/health" }, ...quick },
        })],
      }));
      await ready("served");
      await context.exec("served", "rm", "/tmp/www/health");
      await eventOf(context, "served", /^Unhealthy: Liveness probe failed: HTTP probe failed with statuscode: 404/);
      await restarted(context, "served");
      await ready("served");
    },
  },
  {
    name: "a tcp probe makes a pod ready once something listens",
    item: "readiness probe, tcp",
    async run(context) {
      const { cluster, apply, ready } = context;
      const text = "while [ ! -e /tmp/go ]; do sleep 0.2; done; exec httpd -f -p 7070 -h /tmp";
      await apply(pod("listens", {
        containers: [script("main", cluster.image("busybox"), text, {
          readinessProbe: { tcpSocket: { port: 7070 }, ...quick },
        })],
      }));
      await eventOf(context, "listens", /^Unhealthy: Readiness probe failed: dial tcp .*connection refused/);
      await unready(context, "listens");
      await context.exec("listens", "touch", "/tmp/go");
      await ready("listens");
    },
  },
  {
    name: "a grpc probe follows the service's own health",
    item: "readiness probe, grpc",
    unavailable: agnhostNeeded,
    async run(context) {
      const { cluster, apply, ready } = context;
      const args = ["grpc-health-checking", "--port=5000", "--http-port=8080"];
      await apply(pod("healthy", {
        containers: [{
          name: "main",
          image: cluster.image("agnhost"),
          args,
          readinessProbe: { grpc: { port: 5000 }, ...quick },
        }],
      }));
      const { status } = await ready("healthy");
      await cluster.run("curl", "-sS", "--noproxy", "*", "-X", "POST", `http://${status.podIP}:8080/make-not-serving`);
      await unready(context, "healthy");
      await eventOf(context, "healthy", /^Unhealthy: Readiness probe failed: .*NOT_SERVING/);
    },
  },
  {
    name: "a grpc probe of a service that says it is unhealthy has the container started again",
    item: "liveness probe, grpc",
    unavailable: agnhostNeeded,
    async run(context) {
      const { cluster, apply } = context;
      const args = ["grpc-health-checking", "--port=5000", "--http-port=8080", "--delay-unhealthy-sec=2"];
      await apply(pod("fails", {
        restartPolicy: "Always",
        containers: [{
          name: "main",
          image: cluster.image("agnhost"),
          args,
          livenessProbe: { grpc: { port: 5000 }, ...quick, initialDelaySeconds: 1 },
        }],
      }));
      await eventOf(context, "fails", /^Unhealthy: Liveness probe failed: .*NOT_SERVING/);
      await restarted(context, "fails");
    },
  },
  {
    name: "a startup probe holds the liveness probe back",
    item: "startup probe, exec",
    async run(context) {
      const { cluster, apply, ready } = context;
      const text = "sleep 4; touch /tmp/started; exec sleep 3600";
      await apply(pod("slow", {
        restartPolicy: "Always",
        containers: [script("main", cluster.image("busybox"), text, {
          startupProbe: { ...exec("test", "-e", "/tmp/started"), failureThreshold: 60 },
          livenessProbe: exec("test", "-e", "/tmp/started"),
        })],
      }));
      await context.until("the container runs but has not started", async () => {
        const { started, state } = await mainOf(context, "slow");
        return started === false && state?.running;
      });
      await ready("slow");
      const { started, restartCount } = await mainOf(context, "slow");
      assertEquals({ started, restartCount }, { started: true, restartCount: 0 });
    },
  },
  {
    name: "a startup probe that never succeeds has the container started again",
    item: "startup probe, tcp",
    async run(context) {
      const { cluster, apply } = context;
      await apply(pod("never", {
        restartPolicy: "Always",
        containers: [script("main", cluster.image("busybox"), "exec sleep 3600", {
          startupProbe: { tcpSocket: { port: 7071 }, periodSeconds: 1, failureThreshold: 2 },
        })],
      }));
      await eventOf(context, "never", /^Killing: .*failed startup probe, will be restarted/);
      await restarted(context, "never");
    },
  },
  {
    name: "an exec probe that takes too long has failed, and its command is ended",
    item: "exec probe timeouts",
    async run(context) {
      const { cluster, apply, until } = context;
      await apply(pod("hangs", {
        containers: [script("main", cluster.image("busybox"), "exec sleep 3600", {
          readinessProbe: { exec: { command: ["sleep", "3333"] }, timeoutSeconds: 1, periodSeconds: 20 },
        })],
      }));
      const event = await eventOf(context, "hangs", /^Unhealthy: Readiness probe (failed|errored)/);
      assert(/timed out|timeout|deadline exceeded/i.test(event), event);
      await unready(context, "hangs");
      await until(
        "the probe's command is gone",
        async () => !(await context.exec("hangs", "ps")).includes("sleep 3333"),
        10,
      );
    },
  },
  {
    name: "the output of a failed exec probe is told",
    item: "liveness probe, exec",
    async run(context) {
      const { cluster, apply } = context;
      const text = "trap 'exit 0' TERM; while :; do sleep 3600 & wait $!; done";
      await apply(pod("tells", {
        restartPolicy: "Always",
        containers: [script("main", cluster.image("busybox"), text, {
          livenessProbe: exec("sh", "-c", "echo words of the probe; exit 3"),
        })],
      }));
      await eventOf(context, "tells", /^Unhealthy: Liveness probe failed: words of the probe/);
      await restarted(context, "tells");
      assertEquals((await mainOf(context, "tells")).lastState.terminated.exitCode, 0);
    },
  },
];
