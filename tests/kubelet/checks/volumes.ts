/** Volumes that begin empty, folders and files of the node, images, and claims. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type Check, container, pod, script } from "../check.ts";
import { eventOf, folderOnNode, hostPath, outputOf } from "../output.ts";

const at = (mountPath: string, fields: Record<string, unknown> = {}) => ({
  volumeMounts: [{ name: "v", mountPath, ...fields }],
});

/** How the container sees the mount on `path`: options, a `-`, kind, source, options of the file system. */
const mountOn = (path: string) => `grep " ${path} " /proc/self/mountinfo`;

export const checks: Check[] = [
  {
    name: "an emptyDir is shared by the pod's containers and is a folder of the node",
    item: "emptyDir",
    async run({ cluster, apply, ready, kubectl }) {
      const image = cluster.image("busybox");
      await apply(pod("shares", {
        volumes: [{ name: "v", emptyDir: {} }],
        containers: [container("one", image, at("/v")), container("two", image, at("/deep/down/v"))],
      }));
      const { metadata } = await ready("shares");
      const sh = (name: string, text: string) => kubectl("exec", "shares", "-c", name, "--", "sh", "-c", text);
      await sh("one", "umask 022; echo of one >/v/file");
      assertEquals(await sh("two", "cat /deep/down/v/file; stat -c %a /deep/down/v"), "of one\n777\n");
      const path = `${cluster.kubeletRoot}/pods/${metadata.uid}/volumes/kubernetes.io~empty-dir/v/file`;
      assertEquals(await cluster.run("cat", path), "of one\n");
    },
  },
  {
    name: "an emptyDir in memory is a tmpfs of its size",
    item: "emptyDir, Memory",
    async run(context) {
      const text = `${mountOn("/v")}; dd if=/dev/zero of=/v/file bs=1M count=20 2>&1; stat -c %s /v/file`;
      const spec = { volumes: [{ name: "v", emptyDir: { medium: "Memory", sizeLimit: "8Mi" } }] };
      const output = await outputOf(context, text, { spec, container: at("/v") });
      assertMatch(output, / - tmpfs \S+ \S*\bsize=8192k/);
      assertStringIncludes(output, "No space left on device");
      assertEquals(output.split("\n").at(-1), String(8 << 20));
    },
  },
  {
    name: "a claim is bound to a local volume of the node, whose files the pod reads and writes",
    item: "local PV",
    async run(context) {
      const { cluster, namespace, apply, kubectl } = context;
      await using folder = await folderOnNode(context);
      await cluster.run("sh", "-c", `echo of the node >${folder.path}/before`);
      const storage = { accessModes: ["ReadWriteOnce"], storageClassName: "" };
      const nodeSelectorTerms = [{
        matchExpressions: [{ key: "kubernetes.io/hostname", operator: "In", values: [cluster.nodeName] }],
      }];
      try {
        await apply({
          apiVersion: "v1",
          kind: "PersistentVolume",
          metadata: { name: namespace },
          spec: {
            ...storage,
            capacity: { storage: "1Mi" },
            local: { path: folder.path },
            nodeAffinity: { required: { nodeSelectorTerms } },
            persistentVolumeReclaimPolicy: "Retain",
          },
        }, {
          apiVersion: "v1",
          kind: "PersistentVolumeClaim",
          metadata: { name: "claim" },
          spec: { ...storage, volumeName: namespace, resources: { requests: { storage: "1Mi" } } },
        });
        const spec = { volumes: [{ name: "v", persistentVolumeClaim: { claimName: "claim" } }] };
        const output = await outputOf(context, "cat /v/before; echo of the pod >/v/after", {
          spec,
          container: at("/v"),
        });
        assertEquals(output, "of the node");
        assertEquals(await cluster.run("cat", `${folder.path}/after`), "of the pod\n");
      } finally {
        await kubectl("delete", "pod", "looks", "--ignore-not-found");
        await kubectl("delete", "pvc", "claim", "--ignore-not-found");
        await kubectl("delete", "pv", namespace, "--ignore-not-found");
      }
    },
  },
  {
    name: "subPath and subPathExpr mount a part of a volume",
    item: "subPath, subPathExpr",
    async run(context) {
      const volumeMounts = [
        { name: "v", mountPath: "/whole" },
        { name: "v", mountPath: "/part", subPath: "a/b" },
        { name: "v", mountPath: "/mine", subPathExpr: "of-$(NAME)" },
      ];
      const env = [{ name: "NAME", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } }];
      const text = "echo part >/part/file; echo mine >/mine/file; cd /whole; cat a/b/file of-parts/file; ls";
      const spec = { volumes: [{ name: "v", emptyDir: {} }] };
      const output = await outputOf(context, text, { name: "parts", spec, container: { env, volumeMounts } });
      assertEquals(output, "part\nmine\na\nof-parts");
    },
  },
  {
    name: "a subPath that is a link out of its volume is refused",
    item: "subPath, subPathExpr",
    async run(context) {
      const { cluster, apply } = context;
      const image = cluster.image("busybox");
      await apply(pod("escapes", {
        volumes: [{ name: "v", emptyDir: {} }],
        initContainers: [script("init", image, "ln -s /etc /v/link", at("/v"))],
        containers: [container("main", image, at("/part", { subPath: "link" }))],
      }));
      await eventOf(context, "escapes", /^Failed: .*subPath/);
    },
  },
  {
    name: "a read-only mount cannot be written while the volume's other mount can",
    item: "readOnly volumes",
    async run(context) {
      const volumeMounts = [
        { name: "v", mountPath: "/rw" },
        { name: "v", mountPath: "/ro", readOnly: true },
      ];
      const text = "echo one >/rw/file; cat /ro/file; echo two >/ro/file || cat /rw/file";
      const spec = { volumes: [{ name: "v", emptyDir: {} }] };
      const output = await outputOf(context, text, { spec, container: { volumeMounts } });
      assertEquals(output.split("\n").filter((line) => line === "one").length, 2, output);
      assertStringIncludes(output, "Read-only file system");
    },
  },
  {
    name: "recursiveReadOnly reaches what is mounted below the volume, and the pod's status says so",
    item: "recursiveReadOnly",
    async run(context) {
      const { cluster, get } = context;
      await using folder = await folderOnNode(context);
      const below = `${folder.path}/below`;
      await cluster.run("sh", "-c", `mkdir ${below} && mount -t tmpfs below ${below}`);
      try {
        const volumeMounts = [
          { name: "v", mountPath: "/all", readOnly: true, recursiveReadOnly: "Enabled" },
          { name: "v", mountPath: "/top", readOnly: true },
        ];
        const text = "touch /all/below/file && echo wrote all; touch /top/below/file && echo wrote top; echo end";
        const spec = { volumes: [hostPath("v", folder.path)] };
        const output = await outputOf(context, text, { spec, container: { volumeMounts } });
        assertEquals(output.split("\n").filter((line) => !line.startsWith("touch:")), ["wrote top", "end"]);
        const [{ volumeMounts: told }] = (await get("pod", "looks")).status.containerStatuses;
        const all = told.find(({ mountPath }: { mountPath: string }) => mountPath === "/all");
        assertEquals(all.recursiveReadOnly, "Enabled");
      } finally {
        await cluster.run("umount", below);
      }
    },
  },
  {
    name: "HostToContainer shows a container what the node mounts later, and None does not",
    item: "mountPropagation",
    async run({ cluster, apply, ready, kubectl }) {
      const image = cluster.image("busybox");
      await apply(pod("propagates", {
        volumes: [{ name: "v", emptyDir: {} }],
        containers: [
          container("sees", image, at("/v", { mountPropagation: "HostToContainer" })),
          container("blind", image, at("/v")),
        ],
      }));
      const { metadata } = await ready("propagates");
      const late = `${cluster.kubeletRoot}/pods/${metadata.uid}/volumes/kubernetes.io~empty-dir/v/late`;
      await cluster.run("sh", "-c", `mkdir ${late} && mount -t tmpfs late ${late} && echo late >${late}/file`);
      try {
        const list = (name: string) => kubectl("exec", "propagates", "-c", name, "--", "ls", "/v/late");
        assertEquals([await list("sees"), await list("blind")], ["file\n", ""]);
      } finally {
        await cluster.run("umount", late);
      }
    },
  },
  {
    name: "Bidirectional shows the node and the other containers what a privileged container mounts",
    item: "mountPropagation",
    async run({ cluster, apply, ready, kubectl }) {
      const image = cluster.image("busybox");
      await apply(pod("propagates", {
        volumes: [{ name: "v", emptyDir: {} }],
        containers: [
          container("mounts", image, {
            ...at("/v", { mountPropagation: "Bidirectional" }),
            securityContext: { privileged: true },
          }),
          container("sees", image, at("/v", { mountPropagation: "HostToContainer" })),
        ],
      }));
      const { metadata } = await ready("propagates");
      const sh = (name: string, text: string) => kubectl("exec", "propagates", "-c", name, "--", "sh", "-c", text);
      await sh("mounts", "mkdir /v/late && mount -t tmpfs late /v/late && echo seen >/v/late/file");
      try {
        assertEquals(await sh("sees", "cat /v/late/file"), "seen\n");
        const path = `${cluster.kubeletRoot}/pods/${metadata.uid}/volumes/kubernetes.io~empty-dir/v/late/file`;
        assertEquals(await cluster.run("cat", path), "seen\n");
      } finally {
        await sh("mounts", "umount /v/late");
      }
    },
  },
  {
    name: "an image volume shows an image's files, read-only, whole and in part",
    item: "image volume",
    async run(context) {
      const { cluster } = context;
      const volumeMounts = [
        { name: "v", mountPath: "/whole" },
        { name: "v", mountPath: "/part", subPath: "etc" },
      ];
      const volumes = [{
        name: "v",
        image: { reference: cluster.image("configured"), pullPolicy: "IfNotPresent" },
      }];
      const text =
        "stat -c %u:%g /whole/srv/work; grep app /part/passwd; touch /whole/file; touch /part/file; echo end";
      const output = await outputOf(context, text, { spec: { volumes }, container: { volumeMounts } });
      const [owner, passwd, ...rest] = output.split("\n").filter((line) => !line.startsWith("touch:"));
      assertEquals([owner, passwd, rest], ["1000:1001", "app:x:1000:1001:app:/home/app:/bin/sh", ["end"]]);
      assertEquals(output.match(/Read-only file system/g)?.length, 2);
    },
  },
  {
    name: "an image volume whose sub path is not in the image is refused, and the event says why",
    item: "image volume",
    async run(context) {
      const { cluster, apply } = context;
      await apply(pod("refused", {
        volumes: [{ name: "v", image: { reference: cluster.image("busybox2") } }],
        containers: [container("main", cluster.image("busybox"), at("/v", { subPath: "not/there" }))],
      }));
      const event = await eventOf(context, "refused", /^(Failed|ImageVolumeMountFailed): .*not\/there/);
      assert(!event.includes("context deadline"), event);
    },
  },
];
