import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { patience } from "../../support/command.ts";
import { tools } from "../../support/tools.ts";
import { type Check, type CheckContext, container, deployment, pod, service } from "../check.ts";
import { web, webReady } from "../pod_network.ts";

const withoutDns = ({ has }: CheckContext["cluster"]) => has.coredns ? undefined : "CoreDNS was not built";

type Command = [program: string, ...args: string[]];
/** A command that prints a page, or gives up. */
const page = (url: string, seconds: number): Command => ["timeout", `${seconds * patience}`, "wget", "-qO-", url];
/** The same on the node, which may have no wget. */
const pageOnNode = (url: string, seconds: number): Command => {
  const { busybox } = tools;
  return [busybox, "timeout", `${seconds * patience}`, busybox, "wget", "-qO-", url];
};

/** Two servers that answer with their names, and a client. */
async function serversAndClient(
  { cluster, apply, kubectl, ready }: CheckContext,
  ...more: object[]
): Promise<string[]> {
  const image = cluster.image("busybox");
  await apply(
    ...more,
    deployment("web", 2, { containers: [container("main", image, { command: web(8080), ...webReady(8080) })] }),
    pod("client", { containers: [container("main", image)] }),
  );
  await kubectl("rollout", "status", "deployment/web", "--timeout=60s");
  await ready("client");
  const names = await kubectl("get", "pods", "-l", "app=web", "-o", "jsonpath={.items[*].metadata.name}");
  return names.trim().split(" ").sort();
}

/** Asks until every one of the servers has answered; anything else that answers is an error. */
async function allAnswer({ until }: CheckContext, servers: string[], ask: () => Promise<string>): Promise<void> {
  const seen = new Set<string>();
  await until(`${servers} have all answered`, async () => {
    for (let round = 0; round < 8; round++) seen.add((await ask()).trim());
    return servers.every((name) => seen.has(name));
  }, 30);
  assertEquals([...seen].sort(), servers);
}

export const checks: Check[] = [
  {
    name: "a Service's cluster address leads to each of its pods",
    item: "Service ClusterIP through kube-proxy",
    async run(context) {
      const servers = await serversAndClient(context, service("front", "web", 80, 8080));
      const { spec } = await context.get("service", "front");
      await context.until("the Service answers", async () => {
        return (await context.tryKubectl("exec", "client", "--", ...page(`http://${spec.clusterIP}/`, 1))).code === 0;
      }, 20);
      await allAnswer(
        context,
        servers,
        () => context.exec("client", ...page(`http://${spec.clusterIP}/`, 5)),
      );
    },
  },
  {
    name: "a NodePort is reached from the node",
    item: "Service NodePort",
    async run(context) {
      const servers = await serversAndClient(context, service("front", "web", 80, 8080, { type: "NodePort" }));
      const { spec } = await context.get("service", "front");
      const url = `http://${context.cluster.nodeIP}:${spec.ports[0].nodePort}/`;
      await context.until("the port answers", async () => {
        return (await context.cluster.tryRun(...pageOnNode(url, 1))).code === 0;
      }, 20);
      await allAnswer(
        context,
        servers,
        () => context.cluster.run(...pageOnNode(url, 5)),
      );
      assertMatch(await context.exec("client", ...page(url, 5)), /^web-/);
    },
  },
  {
    name: "a Service is in the environment of pods that come after it",
    item: "Service by environment",
    async run({ cluster, apply, get, podIs, logs }) {
      await apply(service("front-door", "web", 81, 8080));
      const { spec } = await get("service", "front-door");
      await apply(pod("reads", {
        containers: [container("main", cluster.image("busybox"), { command: ["env"] })],
      }));
      await podIs("reads", "Succeeded");
      const said = (await logs("reads")).split("\n");
      for (
        const line of [
          `FRONT_DOOR_SERVICE_HOST=${spec.clusterIP}`,
          "FRONT_DOOR_SERVICE_PORT=81",
          `FRONT_DOOR_PORT_81_TCP=tcp://${spec.clusterIP}:81`,
        ]
      ) assertEquals(said.includes(line), true, `no ${line} in ${said}`);
    },
  },
  {
    name: "a pod finds Services by name, in its own namespace and in others",
    item: "DNS through CoreDNS",
    unavailable: withoutDns,
    async run(context) {
      const [first] = await serversAndClient(context, service("front", "web", 80, 8080));
      const resolv = await context.exec("client", "cat", "/etc/resolv.conf");
      assertStringIncludes(resolv, `search ${context.namespace}.svc.cluster.local svc.cluster.local cluster.local`);
      assertStringIncludes(resolv, "options ndots:5");
      const { spec } = await context.get("service", "front");
      await context.until("the name is known", async () => {
        const { stdout } = await context.tryKubectl(
          "exec",
          "client",
          "--",
          "nslookup",
          `front.${context.namespace}.svc.cluster.local`,
        );
        return stdout.includes(spec.clusterIP);
      }, 30);
      await context.until("the Service answers by its short name", async () => {
        return (await context.tryKubectl("exec", "client", "--", ...page("http://front/", 2))).code === 0;
      }, 20);
      assertMatch(
        await context.exec("client", ...page("http://front/", 5)),
        new RegExp(`^${first.slice(0, 4)}`),
      );
      const kubernetes = await context.exec("client", "nslookup", "kubernetes.default.svc.cluster.local");
      assertStringIncludes(
        kubernetes,
        (await context.kubectl("get", "service", "kubernetes", "-n", "default", "-o", "jsonpath={.spec.clusterIP}"))
          .trim(),
      );
    },
  },
  {
    name: "a headless Service is the addresses of its pods",
    item: "headless Service",
    unavailable: withoutDns,
    async run(context) {
      await serversAndClient(context, service("all", "web", 80, 8080, { clusterIP: "None" }));
      const addresses =
        (await context.kubectl("get", "pods", "-l", "app=web", "-o", "jsonpath={.items[*].status.podIP}")).split(" ");
      assertEquals(addresses.length, 2);
      await context.until("both addresses are found by the name", async () => {
        const { stdout } = await context.tryKubectl(
          "exec",
          "client",
          "--",
          "nslookup",
          `all.${context.namespace}.svc.cluster.local`,
        );
        return addresses.every((address) => stdout.includes(address));
      }, 30);
    },
  },
];
