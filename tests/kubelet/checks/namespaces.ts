/** Which namespaces the containers of a pod share, among themselves and with the node. */
import { assert, assertEquals, assertNotEquals, assertStringIncludes } from "@std/assert";
import { type Check, type CheckContext, container, pod, script } from "../check.ts";

/** What a namespace of the container `of` is, as the kernel names it. */
async function namespaceOf({ kubectl }: CheckContext, podName: string, kind: string, of = "main"): Promise<string> {
  return (await kubectl("exec", podName, "-c", of, "--", "readlink", `/proc/self/ns/${kind}`)).trim();
}

async function onNode({ cluster }: CheckContext, kind: string): Promise<string> {
  return (await cluster.run("readlink", `/proc/self/ns/${kind}`)).trim();
}

export const checks: Check[] = [
  {
    name: "containers of a pod share network and ipc, and neither processes nor the node's anything",
    item: "namespaces of a pod",
    async run(context) {
      const { cluster, apply, ready, kubectl } = context;
      const image = cluster.image("busybox");
      await apply(pod("two", { containers: [container("main", image), container("other", image)] }));
      await ready("two");
      for (const kind of ["net", "ipc", "uts"]) {
        const own = await namespaceOf(context, "two", kind);
        assertEquals(own, await namespaceOf(context, "two", kind, "other"), kind);
        assertNotEquals(own, await onNode(context, kind), kind);
      }
      for (const kind of ["pid", "mnt"]) {
        const own = await namespaceOf(context, "two", kind);
        assertNotEquals(own, await namespaceOf(context, "two", kind, "other"), kind);
        assertNotEquals(own, await onNode(context, kind), kind);
      }
      await kubectl("exec", "two", "-c", "main", "--", "sh", "-c", "echo shared >/dev/shm/file");
      assertEquals(await kubectl("exec", "two", "-c", "other", "--", "cat", "/dev/shm/file"), "shared\n");
    },
  },
  {
    name: "shareProcessNamespace shows each container's processes and files to the others",
    item: "shareProcessNamespace",
    async run({ cluster, apply, ready, kubectl, until, get }) {
      const image = cluster.image("busybox");
      await apply(pod("shared", {
        shareProcessNamespace: true,
        restartPolicy: "Always",
        containers: [
          container("main", image),
          script("other", image, "echo of the other >/tmp/file; exec sleep 7654"),
        ],
      }));
      await ready("shared");
      const inMain = (...command: string[]) => kubectl("exec", "shared", "-c", "main", "--", ...command);
      const pid = (await inMain(
        "sh",
        "-c",
        "pidof sleep | xargs -n1 | while read p; do " +
          "tr '\\0' ' ' </proc/$p/cmdline | grep -q 7654 && echo $p; done; true",
      )).trim();
      assert(Number(pid) > 1, `the other's process is ${pid}`);
      assertEquals(await inMain("cat", `/proc/${pid}/root/tmp/file`), "of the other\n");
      assert(
        !(await inMain("cat", "/proc/1/cmdline")).startsWith("sleep"),
        "the first process is the pod's, not a container's",
      );
      await inMain("kill", "-9", pid);
      await until("the other container was started again", async () => {
        const { containerStatuses } = (await get("pod", "shared")).status;
        return containerStatuses.some(({ name, restartCount }: { name: string; restartCount: number }) =>
          name === "other" && restartCount === 1
        );
      });
    },
  },
  {
    name: "hostNetwork gives the node's network and its address",
    item: "hostNetwork",
    async run(context) {
      const { cluster, apply, ready, exec } = context;
      await apply(pod("on-host", { hostNetwork: true, containers: [container("main", cluster.image("busybox"))] }));
      const { status } = await ready("on-host");
      assertEquals(await namespaceOf(context, "on-host", "net"), await onNode(context, "net"));
      assertEquals(status.podIP, cluster.nodeIP);
      assertStringIncludes(await exec("on-host", "ip", "-o", "addr"), cluster.nodeIP);
    },
  },
  {
    name: "hostPID shows the node's processes",
    item: "hostPID",
    async run(context) {
      const { cluster, apply, ready, exec } = context;
      await apply(pod("on-host", { hostPID: true, containers: [container("main", cluster.image("busybox"))] }));
      await ready("on-host");
      assertEquals(await namespaceOf(context, "on-host", "pid"), await onNode(context, "pid"));
      assertEquals(await exec("on-host", "cat", `/proc/${cluster.kubeletPid}/comm`), "kubelet\n");
    },
  },
  {
    name: "hostIPC gives the node's ipc namespace and its shared memory",
    item: "hostIPC",
    async run(context) {
      const { cluster, namespace, apply, ready, exec } = context;
      const file = `/dev/shm/${namespace}`;
      try {
        await cluster.run("sh", "-c", `echo of the node >${file}`);
        await apply(pod("on-host", { hostIPC: true, containers: [container("main", cluster.image("busybox"))] }));
        await ready("on-host");
        assertEquals(await namespaceOf(context, "on-host", "ipc"), await onNode(context, "ipc"));
        assertEquals(await exec("on-host", "cat", file), "of the node\n");
      } finally {
        await cluster.tryRun("rm", "-f", file);
      }
    },
  },
  {
    name: "an ephemeral container is put beside a running one and sees its processes",
    item: "ephemeral containers",
    async run({ cluster, apply, ready, kubectl, until, get }) {
      const text = "echo of the target >/tmp/file; exec sleep 6543";
      await apply(pod("patient", { containers: [script("main", cluster.image("busybox"), text)] }));
      await ready("patient");
      const look = "tr '\\0' ' ' </proc/1/cmdline; echo; cat /proc/1/root/tmp/file";
      await kubectl(
        "debug",
        "patient",
        `--image=${cluster.image("busybox2")}`,
        "--target=main",
        "--container=doctor",
        "--",
        "sh",
        "-c",
        look,
      );
      await until("the ephemeral container has ended", async () => {
        const [doctor] = (await get("pod", "patient")).status.ephemeralContainerStatuses ?? [];
        return doctor?.state.terminated;
      });
      assertEquals(await kubectl("logs", "patient", "-c", "doctor"), "sleep 6543 \nof the target\n");
      assertEquals((await get("pod", "patient")).status.phase, "Running");
    },
  },
];
