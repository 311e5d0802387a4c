import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { type Check, type CheckContext, container, pod } from "../check.ts";

/** Name of the pod that `kubectl debug` made. */
async function debuggerPod({ kubectl, until }: CheckContext): Promise<string> {
  return await until("the debugging pod is there", async () => {
    const names = (await kubectl("get", "pods", "-o", "name")).split("\n");
    return names.find((name) => name.startsWith("pod/node-debugger-"))?.slice("pod/".length);
  });
}

async function podThere({ cluster, apply, ready }: CheckContext, fields = {}): Promise<void> {
  const command = ["sh", "-c", "exec sleep 123456"];
  await apply(pod("there", { containers: [{ name: "main", image: cluster.image("busybox"), command, ...fields }] }));
  await ready("there");
}

export const checks: Check[] = [
  {
    name: "kubectl debug node shows the node's files, processes and network",
    item: "kubectl debug node",
    async run(context) {
      const { cluster, kubectl, podIs, logs } = context;
      const mark = `${cluster.dir}/mark-${context.namespace}`;
      await cluster.run("sh", "-c", "echo of the node >$0", mark);
      try {
        const text =
          `cat /host${mark}; chroot /host cat ${mark}; ip addr; cat /proc/${cluster.kubeletPid}/comm; echo done`;
        await kubectl(
          "debug",
          `node/${cluster.nodeName}`,
          "--profile=sysadmin",
          `--image=${cluster.image("busybox")}`,
          "--",
          "sh",
          "-c",
          text,
        );
        const name = await debuggerPod(context);
        await podIs(name, "Succeeded");
        const said = await logs(name);
        assertEquals(said.split("of the node\n").length, 3, said);
        assertStringIncludes(said, `inet ${cluster.nodeIP}/`);
        assertStringIncludes(said, "kubelet\n");
      } finally {
        await cluster.run("rm", "-f", mark);
      }
    },
  },
  {
    name: "hostPath / shows mounts that the node makes later (HostToContainer)",
    item: "hostPath / with mount propagation",
    async run({ cluster, apply, ready, exec, until, namespace }) {
      await apply(pod("watches", {
        containers: [container("main", cluster.image("busybox"), {
          volumeMounts: [{ name: "host", mountPath: "/host", mountPropagation: "HostToContainer" }],
        })],
        volumes: [{ name: "host", hostPath: { path: "/" } }],
      }));
      await ready("watches");
      // Below the kubelet's folder, which is what must be shared on a node whose / is not.
      const target = `${cluster.kubeletRoot}/later-${namespace}`;
      await cluster.run("mkdir", target);
      try {
        await cluster.run("mount", "-t", "tmpfs", namespace, target);
        await cluster.run("sh", "-c", "echo mounted later >$0/file", target);
        await until("the mount is seen inside", async () => {
          const said = await exec("watches", "sh", "-c", `cat /host${target}/file 2>/dev/null || true`);
          return said === "mounted later\n";
        }, 10);
      } finally {
        await cluster.tryRun("umount", target);
        await cluster.run("rmdir", target);
      }
    },
  },
  {
    name: "kubectl debug --target sees the processes of the container that it is for",
    item: "kubectl debug, ephemeral container",
    async run(context) {
      await podThere(context);
      const { cluster, kubectl, until, get, logs } = context;
      await kubectl(
        "debug",
        "there",
        `--image=${cluster.image("busybox")}`,
        "--target=main",
        "--container=looks",
        "--profile=general",
        "--",
        "sh",
        "-c",
        "ps; cat /proc/1/root/etc/hostname",
      );
      const state = await until("the ephemeral container has ended", async () => {
        const { status } = await get("pod", "there");
        return status.ephemeralContainerStatuses?.[0]?.state.terminated;
      });
      const said = await logs("there", "-c", "looks");
      assertEquals(state.exitCode, 0, said);
      assertStringIncludes(said, "sleep 123456");
      assert(said.endsWith("there\n"), said);
    },
  },
  {
    name: "kubectl debug --copy-to makes a copy of a pod that shares its processes",
    item: "kubectl debug, copy of a pod",
    async run(context) {
      await podThere(context, { env: [{ name: "KEPT", value: "kept" }] });
      const { cluster, kubectl, ready, until } = context;
      await kubectl(
        "debug",
        "there",
        "--copy-to=copy",
        "--share-processes",
        `--image=${cluster.image("busybox")}`,
        "--container=looks",
        "--profile=general",
        "--",
        "sleep",
        "654321",
      );
      const { spec } = await ready("copy");
      assertEquals(spec.shareProcessNamespace, true);
      assertEquals(spec.containers.map(({ name }: { name: string }) => name), ["main", "looks"]);
      await until("the processes of both containers are seen", async () => {
        const said = await kubectl("exec", "copy", "-c", "looks", "--", "ps");
        return said.includes("sleep 123456") && said.includes("sleep 654321");
      }, 15);
      assertEquals(await kubectl("exec", "copy", "-c", "main", "--", "sh", "-c", "echo $KEPT"), "kept\n");
    },
  },
];
