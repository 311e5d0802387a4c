/** What a container's processes may do. */
import { assert, assertEquals, assertMatch, assertNotEquals, assertStringIncludes } from "@std/assert";
import type { Check, CheckContext } from "../check.ts";
import { fieldsOf, outputOf } from "../output.ts";

const CAP_NET_ADMIN = 12n;
const CAP_SYS_ADMIN = 21n;
const CAP_NET_BIND_SERVICE = 10n;
const has = (set: bigint, capability: bigint) => (set >> capability & 1n) === 1n;

/** Fields of the main process's /proc/self/status with this securityContext. */
async function statusWith(context: CheckContext, name: string, securityContext: Record<string, unknown>) {
  return fieldsOf(await outputOf(context, "cat /proc/self/status", { name, container: { securityContext } }));
}

const effective = (status: Record<string, string>) => BigInt(`0x${status.CapEff}`);

export const checks: Check[] = [
  {
    name: "capabilities are added and dropped",
    item: "capabilities",
    async run(context) {
      const set = async (name: string, capabilities: Record<string, string[]>) =>
        effective(await statusWith(context, name, { capabilities }));
      const usual = await set("usual", {});
      assert(has(usual, CAP_NET_BIND_SERVICE) && !has(usual, CAP_NET_ADMIN) && !has(usual, CAP_SYS_ADMIN));
      assertEquals(await set("more", { add: ["NET_ADMIN"] }), usual | 1n << CAP_NET_ADMIN);
      assertEquals(await set("less", { drop: ["NET_BIND_SERVICE"] }), usual & ~(1n << CAP_NET_BIND_SERVICE));
      assertEquals(await set("none", { drop: ["ALL"] }), 0n);
      assertEquals(await set("one", { drop: ["ALL"], add: ["NET_ADMIN"] }), 1n << CAP_NET_ADMIN);
    },
  },
  {
    name: "a capability does what it is for, and nothing is done without it",
    item: "capabilities",
    async run(context) {
      const text =
        "ip link add v0 type veth peer name v1 2>&1 && echo made; ip link set lo mtu 1400 && echo changed; echo end";
      const add = { securityContext: { capabilities: { add: ["NET_ADMIN"] } } };
      assertStringIncludes(await outputOf(context, text, { name: "with", container: add }), "made\nchanged\nend");
      const without = await outputOf(context, text, { name: "without" });
      assertStringIncludes(without, "Operation not permitted");
      assert(!/made|changed/.test(without), without);
    },
  },
  {
    name: "a privileged container has every capability, the node's devices and a writable /sys",
    item: "privileged",
    async run(context) {
      const { cluster } = context;
      const text = "cat /proc/self/status; grep ' /sys ' /proc/self/mountinfo | cut -d' ' -f6; " +
        "ls /dev; mkdir /tmp/m && mount -t tmpfs m /tmp/m && echo mounted";
      const output = await outputOf(context, text, { container: { securityContext: { privileged: true } } });
      const status = fieldsOf(output);
      const daemon = fieldsOf(await cluster.run("cat", `/proc/${cluster.daemonPid}/status`));
      assertEquals([status.CapEff, status.Seccomp], [daemon.CapBnd, "0"]);
      assertMatch(output, /^rw,/m);
      assertMatch(output, /^mounted$/m);
      const devices = (await cluster.run("sh", "-c", "cd /dev; for d in *; do [ -b $d ] && echo $d; done | head -3"))
        .trim().split("\n").filter(Boolean);
      for (const device of devices) assert(output.split("\n").includes(device), `/dev/${device} is not there`);
    },
  },
  {
    name: "a device of the node is opened by a privileged container only",
    item: "devices",
    async run(context) {
      // The node's first loop device: to open it takes no capability.
      const text = "mknod /tmp/device b 7 0 && (: </tmp/device) && echo opened; echo end";
      const privileged = { securityContext: { privileged: true } };
      assertEquals(await outputOf(context, text, { name: "privileged", container: privileged }), "opened\nend");
      const usual = { securityContext: { capabilities: { add: ["MKNOD", "SYS_ADMIN", "SYS_RAWIO"] } } };
      const output = await outputOf(context, text, { name: "usual", container: usual });
      assertStringIncludes(output, "Operation not permitted");
      assert(!output.includes("opened"), output);
    },
  },
  {
    name: "readOnlyRootFilesystem leaves only volumes to write",
    item: "readOnlyRootFilesystem",
    async run(context) {
      const text = "for f in /file /tmp/file /etc/file /v/file /dev/shm/file; do " +
        "touch $f 2>/dev/null && echo wrote $f; done; touch /file; echo end";
      const output = await outputOf(context, text, {
        spec: { volumes: [{ name: "v", emptyDir: {} }] },
        container: {
          securityContext: { readOnlyRootFilesystem: true },
          volumeMounts: [{ name: "v", mountPath: "/v" }],
        },
      });
      assertEquals(output.match(/^wrote .*/gm), ["wrote /v/file", "wrote /dev/shm/file"]);
      assertStringIncludes(output, "Read-only file system");
    },
  },
  {
    name: "allowPrivilegeEscalation false sets no_new_privs",
    item: "allowPrivilegeEscalation",
    async run(context) {
      const flag = async (name: string, allowPrivilegeEscalation: boolean) =>
        (await statusWith(context, name, { allowPrivilegeEscalation })).NoNewPrivs;
      assertEquals([await flag("may-not", false), await flag("may", true)], ["1", "0"]);
    },
  },
  {
    name: "the kernel's dangerous files are masked or read-only",
    item: "masked paths",
    async run(context) {
      const { cluster } = context;
      const sizes = "wc -c </proc/keys; wc -c </proc/timer_list; ls -A /sys/firmware | wc -l";
      // Each tells something on the node: what the container sees of it is no accident.
      const onNode = (await cluster.run("sh", "-c", sizes)).trim().split("\n").map(Number);
      assertEquals(onNode.map((size) => size > 0), [true, true, true]);
      const text = sizes + "; for p in /proc/sys /proc/bus /proc/fs /sys; do " +
        "grep \" $p \" /proc/self/mountinfo | tail -1 | cut -d' ' -f6 | cut -d, -f1; done; " +
        "cat /proc/sys/kernel/core_uses_pid >/proc/sys/kernel/core_uses_pid || echo end";
      const output = await outputOf(context, text);
      const lines = output.split("\n").filter((line) => !line.startsWith("sh:"));
      assertEquals(lines, ["0", "0", "0", "ro", "ro", "ro", "ro", "end"]);
      assertStringIncludes(output, "Read-only file system");
    },
  },
  {
    name: "procMount Unmasked shows all of /proc in a user namespace",
    item: "procMount",
    async run(context) {
      const text = "grep -c ' /proc/' /proc/self/mountinfo; true";
      const masked = await outputOf(context, text, { name: "default", spec: { hostUsers: false } });
      assertNotEquals(masked, "0");
      const securityContext = { procMount: "Unmasked" };
      const unmasked = await outputOf(context, text, {
        name: "unmasked",
        spec: { hostUsers: false },
        container: { securityContext },
      });
      assertEquals(unmasked, "0");
    },
  },
];
