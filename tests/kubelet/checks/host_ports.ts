import { assert, assertEquals } from "@std/assert";
import { tools } from "../../support/tools.ts";
import { type Check, type Cluster, container, pod } from "../check.ts";
import { web, webReady } from "../pod_network.ts";

const fetchFrom = (cluster: Cluster, url: string) =>
  cluster.tryRun(tools.busybox, "timeout", "2", tools.busybox, "wget", "-qO-", url);

/** One datagram to the address, and the answer. */
const askUdp = 'exec 3<>/dev/udp/$0/$1 && printf "%s" "$2" >&3 && timeout 1 dd bs=2000 count=1 status=none <&3';

export const checks: Check[] = [
  {
    name: "a hostPort over TCP leads to the pod, from the node and from another pod, and goes with it",
    item: "hostPort TCP",
    async run({ cluster, apply, ready, exec, kubectl, until }) {
      const image = cluster.image("busybox");
      const ports = [{ containerPort: 8080, hostPort: 18181 }];
      await apply(
        pod("published", { containers: [container("main", image, { command: web(8080), ...webReady(8080), ports })] }),
        pod("client", { containers: [container("main", image)] }),
      );
      await Promise.all([ready("published"), ready("client")]);
      const url = `http://${cluster.nodeIP}:18181/`;
      assertEquals((await fetchFrom(cluster, url)).stdout, "published\n");
      assertEquals((await fetchFrom(cluster, "http://127.0.0.1:18181/")).stdout, "published\n");
      assertEquals(await exec("client", "timeout", "5", "wget", "-qO-", url), "published\n");
      await kubectl("delete", "pod", "published");
      await until("nothing answers there any more", async () => (await fetchFrom(cluster, url)).code !== 0, 15);
    },
  },
  {
    name: "a hostPort over UDP leads to the pod, and a new pod behind it is reached at once",
    item: "hostPort UDP",
    unavailable: ({ has }) => has.agnhost ? undefined : "agnhost, which serves UDP, was not built",
    async run({ cluster, apply, ready, kubectl, until }) {
      const server = (name: string) =>
        pod(name, {
          containers: [{
            name: "main",
            image: cluster.image("agnhost"),
            args: ["netexec", "--http-port=8080", "--udp-port=8081"],
            ports: [{ containerPort: 8081, hostPort: 18182, protocol: "UDP" }],
            readinessProbe: { httpGet: { port: 8080, path: "/healthz" }, periodSeconds: 1 },
          }],
        });
      const ask = async () => (await cluster.tryRun("bash", "-c", askUdp, cluster.nodeIP, "18182", "hostname")).stdout;
      for (const name of ["first", "second"]) {
        await apply(server(name));
        await ready(name);
        await until(`${name} answers`, async () => (await ask()).includes(name), 10);
        await kubectl("delete", "pod", name);
      }
      assertEquals(await ask(), "");
    },
  },
  {
    name: "a hostPort with a hostIP answers on that address alone",
    item: "hostPort with hostIP",
    async run({ cluster, apply, ready }) {
      const ports = [{ containerPort: 8080, hostPort: 18183, hostIP: "127.0.0.1" }];
      await apply(pod("local", {
        containers: [container("main", cluster.image("busybox"), { command: web(8080), ...webReady(8080), ports })],
      }));
      await ready("local");
      assertEquals((await fetchFrom(cluster, "http://127.0.0.1:18183/")).stdout, "local\n");
      assert(
        (await fetchFrom(cluster, `http://${cluster.nodeIP}:18183/`)).code !== 0,
        "it answers on the node's address, too",
      );
    },
  },
];
