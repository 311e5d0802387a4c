/** Seccomp, AppArmor, sysctls. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type Check, container, pod } from "../check.ts";
import { eventOf, outputOf } from "../output.ts";

const seccomp = (seccompProfile: Record<string, unknown>) => ({ securityContext: { seccompProfile } });

export const checks: Check[] = [
  {
    name: "seccomp RuntimeDefault refuses what Unconfined lets through",
    item: "seccomp RuntimeDefault, Unconfined",
    async run(context) {
      const text =
        "sed -n 's/^Seccomp:[[:space:]]*//p' /proc/self/status; unshare -U true 2>&1 && echo unshared; echo end";
      const confined = await outputOf(context, text, {
        name: "default",
        container: seccomp({ type: "RuntimeDefault" }),
      });
      assertMatch(confined, /^2\nunshare: .*Operation not permitted\nend$/);
      const free = await outputOf(context, text, { name: "free", container: seccomp({ type: "Unconfined" }) });
      assertEquals(free, "0\nunshared\nend");
    },
  },
  {
    name: "a seccomp profile of the node holds, and one that is missing is named",
    item: "seccomp Localhost",
    async run(context) {
      const { cluster, namespace, apply } = context;
      const folder = `${cluster.kubeletRoot}/seccomp`;
      const profile = {
        defaultAction: "SCMP_ACT_ALLOW",
        syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 1 }],
      };
      await cluster.run(
        "sh",
        "-c",
        'mkdir -p "$0" && printf %s "$2" >"$0/$1.json"',
        folder,
        namespace,
        JSON.stringify(profile),
      );
      try {
        const local = (name: string) => seccomp({ type: "Localhost", localhostProfile: `${name}.json` });
        const text = "mkdir /tmp/folder 2>&1; touch /tmp/file && echo touched";
        const output = await outputOf(context, text, { container: local(namespace) });
        assertMatch(output, /^mkdir: .*Operation not permitted\ntouched$/);
        const missing = container("main", cluster.image("busybox"), local("not-there"));
        await apply(pod("refused", { containers: [missing] }));
        await eventOf(context, "refused", /^Failed: .*not-there\.json/);
      } finally {
        await cluster.run("rm", "-f", `${folder}/${namespace}.json`);
      }
    },
  },
  {
    name: "AppArmor Unconfined runs, and on a node without AppArmor a profile is refused",
    item: "AppArmor",
    async run(context) {
      const { cluster, apply, get, until } = context;
      const profile = (type: string) => ({ securityContext: { appArmorProfile: { type } } });
      const text = "cat /proc/self/attr/current 2>/dev/null || echo unconfined";
      assertMatch(await outputOf(context, text, { name: "free", container: profile("Unconfined") }), /^unconfined/);
      const enabled = await cluster.tryRun("cat", "/sys/module/apparmor/parameters/enabled");
      if (enabled.stdout.trim() === "Y") return;
      await apply(
        pod("confined", { containers: [container("main", cluster.image("busybox"), profile("RuntimeDefault"))] }),
      );
      await until("the pod is refused", async () => {
        const { phase, reason, message } = (await get("pod", "confined")).status;
        return phase === "Failed" && reason === "AppArmor" && /AppArmor/.test(message);
      });
    },
  },
  {
    name: "sysctls of the pod are set in it and nowhere else",
    item: "sysctls",
    async run(context) {
      const { cluster } = context;
      const values = {
        "kernel.shm_rmid_forced": "1",
        "net.ipv4.ip_local_port_range": "10000\t20000",
        "net.core.somaxconn": "77",
        "kernel.msgmax": "65536",
      };
      const files = Object.keys(values).map((name) => `/proc/sys/${name.replaceAll(".", "/")}`);
      const before = await cluster.run("cat", ...files);
      const sysctls = Object.entries(values).map(([name, value]) => ({ name, value: value.replace("\t", " ") }));
      const output = await outputOf(context, `cat ${files.join(" ")}`, { spec: { securityContext: { sysctls } } });
      assertEquals(output.split("\n"), Object.values(values));
      assertEquals(await cluster.run("cat", ...files), before);
    },
  },
  {
    name: "a sysctl that the node does not allow is refused",
    item: "sysctls",
    async run({ cluster, apply, podIs }) {
      const sysctls = [{ name: "kernel.sem", value: "250 32000 32 128" }];
      const containers = [container("main", cluster.image("busybox"))];
      await apply(pod("refused", { securityContext: { sysctls }, containers }));
      const { status } = await podIs("refused", "Failed");
      assertEquals(status.reason, "SysctlForbidden");
      assertStringIncludes(status.message, "kernel.sem");
    },
  },
];
