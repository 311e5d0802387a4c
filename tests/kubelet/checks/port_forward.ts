import { assert, assertEquals, assertMatch } from "@std/assert";
import { tools } from "../../support/tools.ts";
import { type Check, container, pod, service } from "../check.ts";
import { KubectlSession, transports } from "../kubectl_session.ts";
import { web, webReady } from "../pod_network.ts";

/** The port that kubectl has chosen on the node's loopback. */
async function localPort(session: KubectlSession): Promise<string> {
  await session.shows(/Forwarding from 127\.0\.0\.1:\d+/);
  return /Forwarding from 127\.0\.0\.1:(\d+)/.exec(session.out)![1];
}

const big = 5_000_000;

export const checks: Check[] = [
  ...transports.map(({ name, env }): Check => ({
    name: `port-forward over ${name}: pages, five megabytes, ten connections at once`,
    item: `kubectl port-forward over ${name}`,
    async run(context) {
      const { cluster, apply, ready, exec } = context;
      await apply(pod("serves", {
        containers: [container("main", cluster.image("busybox"), { command: web(8080), ...webReady(8080) })],
      }));
      await ready("serves");
      await exec("serves", "sh", "-c", `head -c ${big} /dev/urandom >/tmp/www/big`);
      const sum = (await exec("serves", "sha256sum", "/tmp/www/big")).slice(0, 64);
      await using session = new KubectlSession(context, ["port-forward", "serves", ":8080"], { env });
      const url = `http://127.0.0.1:${await localPort(session)}`;
      const fetched = (path: string) =>
        cluster.run(tools.busybox, "timeout", "10", tools.busybox, "wget", "-qO-", `${url}${path}`);
      assertEquals(await fetched("/"), "serves\n");
      const get = `timeout 20 ${tools.busybox} wget -qO- $0 | sha256sum`;
      assertEquals((await cluster.run("sh", "-c", get, `${url}/big`)).slice(0, 64), sum);
      const ten = await Promise.all(Array.from({ length: 10 }, () => fetched("/")));
      assertEquals(ten, Array(10).fill("serves\n"));
      // What listens sees a connection of the pod's own.
      assertEquals(await fetched("/cgi-bin/client"), "127.0.0.1\n");
    },
  })),
  ...transports.map(({ name, env }): Check => ({
    name: `port-forward over ${name} of a closed port says so, and goes on with others`,
    item: `kubectl port-forward over ${name}, closed port`,
    async run(context) {
      const { cluster, apply, ready } = context;
      await apply(pod("serves", {
        containers: [container("main", cluster.image("busybox"), { command: web(8080), ...webReady(8080) })],
      }));
      await ready("serves");
      await using session = new KubectlSession(context, ["port-forward", "serves", ":4567"], { env });
      const url = `http://127.0.0.1:${await localPort(session)}/`;
      const refused = await cluster.tryRun(tools.busybox, "timeout", "5", tools.busybox, "wget", "-qO-", url);
      assert(refused.code !== 0, "a page from a closed port");
      await session.shows("4567", 10);
      await session.shows(/[Cc]onnection refused/, 10);
      await using other = new KubectlSession(context, ["port-forward", "serves", ":8080"], { env });
      const page = `http://127.0.0.1:${await localPort(other)}/`;
      assertEquals(await cluster.run(tools.busybox, "timeout", "10", tools.busybox, "wget", "-qO-", page), "serves\n");
    },
  })),
  {
    name: "port-forward reaches what listens on a pod's loopback alone, by way of a Service, too",
    item: "kubectl port-forward service",
    async run(context) {
      const { cluster, apply, ready } = context;
      const local = "mkdir /tmp/www; echo inside >/tmp/www/index.html; exec httpd -f -p 127.0.0.1:8080 -h /tmp/www";
      await apply(
        service("front", "hidden", 80, 8080),
        pod("hidden", {
          containers: [container("main", cluster.image("busybox"), {
            command: ["sh", "-c", local],
            readinessProbe: { exec: { command: ["wget", "-qO-", "http://127.0.0.1:8080/"] }, periodSeconds: 1 },
          })],
        }, { labels: { app: "hidden" } }),
      );
      await ready("hidden");
      await using session = new KubectlSession(context, ["port-forward", "service/front", ":80"]);
      const url = `http://127.0.0.1:${await localPort(session)}/`;
      assertMatch(await cluster.run(tools.busybox, "timeout", "10", tools.busybox, "wget", "-qO-", url), /^inside$/m);
    },
  },
];
