import { assert, assertEquals, assertMatch, assertNotEquals, assertStringIncludes } from "@std/assert";
import { tools } from "../../support/tools.ts";
import { type Check, container, pod } from "../check.ts";
import { podNetwork, web, webReady } from "../pod_network.ts";

export const checks: Check[] = [
  {
    name: "a pod's address is of the CNI's range, on its eth0, in its hosts file and in its status",
    item: "pod IP from the CNI",
    async run({ cluster, apply, ready, exec }) {
      await apply(pod("addressed", { containers: [container("main", cluster.image("busybox"))] }));
      const { status } = await ready("addressed");
      const { prefix } = await podNetwork(cluster);
      assert(status.podIP.startsWith(prefix), `${status.podIP} is not of ${prefix}0/24`);
      assertEquals([status.podIPs[0].ip, status.hostIP], [status.podIP, cluster.nodeIP]);
      assertStringIncludes(await exec("addressed", "ip", "-4", "addr", "show", "eth0"), `inet ${status.podIP}/`);
      assertMatch(await exec("addressed", "ip", "route"), /^default via \S+ dev eth0/m);
      assertMatch(await exec("addressed", "cat", "/etc/hosts"), new RegExp(`^${status.podIP}\\s+addressed$`, "m"));
      assertEquals((await exec("addressed", "hostname")).trim(), "addressed");
    },
  },
  {
    name: "pods reach each other by their addresses, and the source is the pod's own",
    item: "pod-to-pod",
    async run({ cluster, apply, ready, exec }) {
      const image = cluster.image("busybox");
      await apply(
        pod("server", { containers: [container("main", image, { command: web(8080), ...webReady(8080) })] }),
        pod("client", { containers: [container("main", image)] }),
      );
      const [server, client] = await Promise.all([ready("server"), ready("client")]);
      const url = `http://${server.status.podIP}:8080`;
      assertEquals(await exec("client", "timeout", "5", "wget", "-qO-", `${url}/`), "server\n");
      assertEquals(
        await exec("client", "timeout", "5", "wget", "-qO-", `${url}/cgi-bin/client`),
        `${client.status.podIP}\n`,
      );
      await exec("client", "ping", "-c", "1", "-W", "5", server.status.podIP);
    },
  },
  {
    name: "containers of a pod share localhost and nothing of another pod's",
    item: "two containers share localhost",
    async run({ cluster, apply, ready, kubectl, tryKubectl }) {
      const image = cluster.image("busybox");
      const local = (
        text: string,
      ) => [
        "sh",
        "-c",
        `mkdir /tmp/www; echo ${text} >/tmp/www/index.html; exec httpd -f -p 127.0.0.1:8081 -h /tmp/www`,
      ];
      const containers = (
        text: string,
      ) => [container("main", image), container("serves", image, { command: local(text) })];
      await apply(pod("one", { containers: containers("one") }), pod("two", { containers: containers("two") }));
      const [{ status }] = await Promise.all([ready("one"), ready("two")]);
      for (const name of ["one", "two"]) {
        assertEquals(
          await kubectl("exec", name, "-c", "main", "--", "wget", "-qO-", "http://127.0.0.1:8081/"),
          `${name}\n`,
        );
      }
      const outside = await tryKubectl(
        "exec",
        "two",
        "-c",
        "main",
        "--",
        "timeout",
        "2",
        "wget",
        "-qO-",
        `http://${status.podIP}:8081/`,
      );
      assert(outside.code !== 0, "what listens on a pod's loopback is reached from another pod");
    },
  },
  {
    name: "a pod reaches the node, the node reaches the pod, and both see who it is",
    item: "pod-to-node, egress source",
    async run({ cluster, apply, ready, exec }) {
      const image = cluster.image("busybox");
      await apply(
        pod("on-node", {
          hostNetwork: true,
          containers: [container("main", image, { command: web(18080), ...webReady(18080) })],
        }),
        pod("inside", { containers: [container("main", image, { command: web(8080), ...webReady(8080) })] }),
      );
      const [node, inside] = await Promise.all([ready("on-node"), ready("inside")]);
      assertEquals(node.status.podIP, cluster.nodeIP);
      const seen = await exec(
        "inside",
        "timeout",
        "5",
        "wget",
        "-qO-",
        `http://${cluster.nodeIP}:18080/cgi-bin/client`,
      );
      assertEquals(seen, `${inside.status.podIP}\n`);
      const fromNode = await cluster.run(
        tools.busybox,
        "timeout",
        "5",
        tools.busybox,
        "wget",
        "-qO-",
        `http://${inside.status.podIP}:8080/`,
      );
      assertEquals(fromNode, "inside\n");
      const source = await exec(
        "on-node",
        "timeout",
        "5",
        "wget",
        "-qO-",
        `http://${inside.status.podIP}:8080/cgi-bin/client`,
      );
      assertNotEquals(source, `${inside.status.podIP}\n`);
    },
  },
  {
    name: "a deleted pod's address is given back",
    item: "pod IP freed after delete",
    async run({ cluster, apply, ready, kubectl, until }) {
      await apply(pod("leaves", { containers: [container("main", cluster.image("busybox"))] }));
      const { status: { podIP } } = await ready("leaves");
      const lease = `${(await podNetwork(cluster)).leases}/${podIP}`;
      const text = await cluster.run("cat", lease);
      assert(text.trim() !== "", "an empty lease");
      await cluster.run(tools.busybox, "ping", "-c", "1", "-W", "5", podIP);
      await kubectl("delete", "pod", "leaves");
      await until("the lease is given back", async () => {
        const now = await cluster.tryRun("cat", lease);
        // Another pod may have it by now.
        return now.code !== 0 || now.stdout !== text;
      }, 15);
    },
  },
  {
    name: "a pod whose sandbox has died gets a new one, with a new address, and its containers run again",
    item: "restart of the sandbox",
    async run({ cluster, apply, ready, get, until, exec, namespace }) {
      await apply(pod("survives", {
        restartPolicy: "Always",
        containers: [container("main", cluster.image("busybox"))],
      }));
      const before = await ready("survives");
      const crictl = (...args: string[]) =>
        cluster.run(
          tools.crictl,
          "-t",
          "30s",
          "-r",
          `unix://${cluster.socket}`,
          "-i",
          `unix://${cluster.socket}`,
          ...args,
        );
      const sandbox = async (...args: string[]) =>
        (await crictl("pods", "-q", "--no-trunc", "--namespace", namespace, "--name", "survives", ...args)).trim();
      const old = await sandbox();
      assertMatch(old, /^[0-9a-f]{64}$/);
      await crictl("stopp", old);
      const after = await until("the pod is up again", async () => {
        const now = await get("pod", "survives");
        const [status] = now.status.containerStatuses;
        return status.restartCount === 1 && status.ready && now;
      }, 60);
      assertNotEquals(await sandbox("--state", "ready"), old);
      assertNotEquals(after.status.containerStatuses[0].containerID, before.status.containerStatuses[0].containerID);
      assertStringIncludes(await exec("survives", "ip", "-4", "addr", "show", "eth0"), `inet ${after.status.podIP}/`);
    },
  },
];
