import { assert, assertEquals, assertFalse, assertRejects, assertStringIncludes } from "@std/assert";
import { Protocol } from "../../../proto/gen/runtime/v1/api.ts";
import { CniNetwork, type NetworkAttachment, pinNamespaces, type PodNetwork, unpin } from "../../../src/network/mod.ts";
import { createLogger } from "../../../src/observe/mod.ts";
import { CLONE_NEWNET, kernel, type Programs, programs } from "../../../src/sys/mod.ts";
import { pod } from "./plugin_double.ts";

const PLUGINS = ["/usr/lib/cni", "/opt/cni/bin"];
const installed = (type: string) => PLUGINS.some((folder) => kernel.exists(`${folder}/${type}`));
const ignore = Deno.uid() !== 0 || !["bridge", "host-local", "portmap"].every(installed);

interface NodeOptions {
  subnets?: string[];
  /** Added to portmap's configuration. */
  portmap?: Record<string, unknown>;
}

/** A node of its own: a network namespace where the plugins run, and one for each pod. */
class Node implements AsyncDisposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "skiff-test-node-" });
  readonly netns = `${this.folder}/node`;
  readonly network: CniNetwork;
  readonly #pods = new Set<string>();

  constructor({ subnets = ["10.213.0.0/24"], portmap = {} }: NodeOptions = {}) {
    pinNamespaces(kernel, { net: this.netns }, { sysctls: { "net.ipv4.ip_forward": "1" } });
    Deno.mkdirSync(`${this.folder}/net.d`);
    const ipam = {
      type: "host-local",
      ranges: subnets.map((subnet) => [{ subnet }]),
      routes: [{ dst: "0.0.0.0/0" }],
      dataDir: `${this.folder}/leases`,
    };
    const plugins = [
      { type: "bridge", bridge: "skiff0", isGateway: true, hairpinMode: true, ipam },
      { type: "portmap", capabilities: { portMappings: true }, snat: true, ...portmap },
    ];
    const conflist = JSON.stringify({ cniVersion: "1.0.0", name: "pods", plugins });
    Deno.writeTextFileSync(`${this.folder}/net.d/10-pods.conflist`, conflist);
    const inNode: Programs = {
      run: (path, args, options) => programs.run(path, args, { ...options, netns: this.netns }),
      start: programs.start,
      spawn: programs.spawn,
    };
    this.network = new CniNetwork({
      config: { configDir: `${this.folder}/net.d`, pluginDirs: PLUGINS, timeoutSeconds: 60 },
      kernel,
      programs: inNode,
      logger: createLogger({ level: "warn", format: "text" }),
    });
  }

  newPod(id: string, hostPort = 0): PodNetwork {
    const netns = `${this.folder}/${id}`;
    pinNamespaces(kernel, { net: netns });
    this.#pods.add(netns);
    const portMappings = [{ protocol: Protocol.TCP, containerPort: 80, hostPort, hostIp: "" }];
    return pod({ sandboxId: id, name: id, netns, portMappings });
  }

  in<T>(netns: string, action: () => T): T {
    return kernel.inNamespaces([{ path: netns, flag: CLONE_NEWNET }], action);
  }

  async run(...command: string[]): Promise<string> {
    const { stdout, stderr, code } = await programs.run(
      "/usr/bin/nsenter",
      [`--net=${this.netns}`, ...command],
      { env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" } },
    );
    assertEquals(code, 0, new TextDecoder().decode(stderr));
    return new TextDecoder().decode(stdout);
  }

  /** What a client on the node reads from this address. */
  async read(hostname: string, port: number): Promise<string> {
    using connection = await this.in(this.netns, () => Deno.connect({ hostname, port }));
    const buffer = new Uint8Array(64);
    return new TextDecoder().decode(buffer.subarray(0, await connection.read(buffer) ?? 0));
  }

  leases(): string[] {
    return [...Deno.readDirSync(`${this.folder}/leases/pods`)].map(({ name }) => name).filter((name) =>
      !/^(lock|last_reserved)/.test(name)
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.network[Symbol.asyncDispose]();
    for (const netns of [...this.#pods, this.netns]) unpin(kernel, netns);
    Deno.removeSync(this.folder, { recursive: true });
  }
}

/** A server in the pod that says hello to each client. */
function serve(node: Node, netns: string): Disposable {
  const listener = node.in(netns, () => Deno.listen({ hostname: "0.0.0.0", port: 80 }));
  (async () => {
    for await (const connection of listener) {
      await connection.write(new TextEncoder().encode("hello"));
      connection.close();
    }
  })();
  return listener;
}

Deno.test({
  name: "CniNetwork with bridge and portmap: the pod is reachable, its host port too, and DEL leaves nothing (root)",
  ignore,
  async fn() {
    await using node = new Node();
    const web = node.newPod("web", 8080);
    const attachment: NetworkAttachment = JSON.parse(JSON.stringify(await node.network.add(web, {})));
    assertEquals(attachment.ips, ["10.213.0.2"]);
    assertEquals(node.leases(), attachment.ips);
    {
      using _server = serve(node, web.netns);
      assertEquals(await node.read(attachment.ips[0], 80), "hello");
      assertEquals(await node.read("10.213.0.1", 8080), "hello");
      assertEquals(await node.read("127.0.0.1", 8080), "hello");
    }
    assertStringIncludes(await node.run("ip", "-o", "link", "show", "type", "veth"), "veth");
    assertStringIncludes(await node.run("iptables-save", "-t", "nat"), "--dport 8080");

    await node.network.del(web, attachment);
    assertEquals(await node.run("ip", "-o", "link", "show", "type", "veth"), "");
    assertFalse((await node.run("iptables-save", "-t", "nat")).includes("8080"));
    assertEquals(node.leases(), []);
    await node.network.del(web, attachment);
    unpin(kernel, web.netns);
    await node.network.del(web, attachment);
  },
});

Deno.test({
  name: "CniNetwork with bridge: DEL gives the address and the port back although the netns is gone (root)",
  ignore,
  async fn() {
    await using node = new Node();
    const web = node.newPod("web", 8080);
    const attachment = await node.network.add(web, {});
    unpin(kernel, web.netns);
    await node.network.del(web, attachment);
    assertEquals(node.leases(), []);
    assertFalse((await node.run("iptables-save", "-t", "nat")).includes("8080"));
  },
});

Deno.test({
  name: "CniNetwork with bridge: a pod of two families has both addresses, in the order of the configuration (root)",
  ignore: ignore || !kernel.exists("/proc/net/if_inet6"),
  async fn() {
    await using node = new Node({ subnets: ["fd00:213::/64", "10.213.0.0/24"] });
    const web = node.newPod("web");
    const attachment = await node.network.add(web, {});
    assertEquals(attachment.ips, ["fd00:213::2", "10.213.0.2"]);
    await node.network.del(web, attachment);
    assertEquals(node.leases(), []);
  },
});

Deno.test({
  name: "CniNetwork with bridge: ten ADDs at once get ten addresses, and ten DELs give them back (root)",
  ignore,
  async fn() {
    await using node = new Node();
    const pods = Array.from({ length: 10 }, (_, index) => node.newPod(`pod${index}`));
    const attachments = await Promise.all(pods.map((pod) => node.network.add(pod, {})));
    assertEquals(new Set(attachments.flatMap(({ ips }) => ips)).size, 10);
    await Promise.all(pods.map((pod, index) => node.network.del(pod, attachments[index])));
    assertEquals(node.leases(), []);
  },
});

Deno.test({
  name: "CniNetwork with bridge: where portmap fails, bridge gives address and link back (root)",
  ignore,
  async fn() {
    await using node = new Node({ portmap: { conditionsV4: ["--no-such-option"] } });
    const web = node.newPod("web", 8080);
    const error = await assertRejects(() => node.network.add(web, {}), Error, '"portmap" failed at ADD');
    assert(!error.message.includes("undoing it failed"), error.message);
    assertEquals(await node.run("ip", "-o", "link", "show", "type", "veth"), "");
    assertEquals(node.leases(), []);
    // That bridge had made something to give back.
    assertStringIncludes(await node.run("ip", "-o", "link", "show", "type", "bridge"), "skiff0");
  },
});
