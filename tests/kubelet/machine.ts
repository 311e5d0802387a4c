/** What makes a test node into something a kubelet takes for its machine: a network, shared mounts, settings of its own. */
import type { TestNode } from "../support/node.ts";
import { addresses } from "./options.ts";

/** What the kubelet sets for the whole machine. It shall set them, but not here: each gets a file in front of it. */
const settings = [
  "vm/overcommit_memory",
  "vm/panic_on_oom",
  "kernel/panic",
  "kernel/panic_on_oops",
  "kernel/keys/root_maxkeys",
  "kernel/keys/root_maxbytes",
];

export async function prepareMachine(node: TestNode, root: string): Promise<void> {
  const commands = [
    // A link to nowhere gives the node an address and a default route, which its services are found by.
    "ip link add node0 type veth peer name node1",
    `ip addr add ${addresses.node}/24 dev node0`,
    "ip link set node0 up && ip link set node1 up",
    "ip route add default dev node0",
    "sysctl -q -w net.ipv4.ip_forward=1",
    "if [ -e /proc/sys/net/bridge/bridge-nf-call-iptables ]; then sysctl -q -w net.bridge.bridge-nf-call-iptables=1; fi",
    `mkdir -p ${node.dir}/settings`,
    ...settings.map((name) => {
      const file = `${node.dir}/settings/${name.replaceAll("/", ".")}`;
      return `cat /proc/sys/${name} >${file} && mount --bind ${file} /proc/sys/${name}`;
    }),
    // The kernel lets a user namespace have a /proc only where one is seen whole: with nothing in front of its files.
    `mkdir -p ${node.dir}/proc && mount -t proc proc ${node.dir}/proc`,
    // As on a machine of its own: the logs of pods, and links to them, in the usual place.
    `mkdir -p ${root}/log && mount --bind ${root}/log /var/log`,
    // etcd waits for the disk at every write.
    `mkdir -p ${node.dir}/etcd && mount -t tmpfs -o mode=0700 skiff-test ${node.dir}/etcd`,
    // systemd makes every mount shared; kubelets and pods that mount for others rely on it.
    "mount --make-rshared /",
  ];
  await node.holder.run("sh", "-ec", commands.join("\n"));
}

/** A boot id that nobody has seen before, for everything in the node. */
export async function newBootId(node: TestNode): Promise<string> {
  const id = crypto.randomUUID();
  const file = `${node.dir}/boot_id.${id}`;
  await Deno.writeTextFile(file, `${id}\n`);
  await node.holder.run(
    "sh",
    "-ec",
    `umount /proc/sys/kernel/random/boot_id 2>/dev/null || true
mount --bind ${file} /proc/sys/kernel/random/boot_id`,
  );
  return id;
}
