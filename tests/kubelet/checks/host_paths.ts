/** Files and folders of the node, by the type that a pod says they have. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { type Check, container, pod } from "../check.ts";
import { eventOf, folderOnNode, hostPath, outputOf } from "../output.ts";

const mount = (name: string) => ({ name, mountPath: `/${name}` });

export const checks: Check[] = [
  {
    name: "hostPath volumes are what the node has there",
    item: "hostPath Directory, File, CharDevice",
    async run(context) {
      const { cluster } = context;
      await using folder = await folderOnNode(context);
      await cluster.run(
        "sh",
        "-c",
        `mkdir ${folder.path}/d && echo of the node | tee ${folder.path}/d/f >${folder.path}/f`,
      );
      const volumes = [
        hostPath("dir", `${folder.path}/d`, "Directory"),
        hostPath("file", `${folder.path}/f`, "File"),
        hostPath("device", "/dev/null", "CharDevice"),
      ];
      const text = "cat /dir/f /file; stat -c %F /device; echo of the pod >/dir/new; echo more >>/file";
      const volumeMounts = [mount("dir"), mount("file"), mount("device")];
      const output = await outputOf(context, text, { spec: { volumes }, container: { volumeMounts } });
      assertEquals(output, "of the node\nof the node\ncharacter special file");
      assertEquals(
        await cluster.run("cat", `${folder.path}/d/new`, `${folder.path}/f`),
        "of the pod\nof the node\nmore\n",
      );
    },
  },
  {
    name: "hostPath volumes are made when they may be",
    item: "hostPath DirectoryOrCreate, FileOrCreate",
    async run(context) {
      const { cluster } = context;
      await using folder = await folderOnNode(context);
      const volumes = [
        hostPath("dir", `${folder.path}/new/deep`, "DirectoryOrCreate"),
        hostPath("file", `${folder.path}/new-file`, "FileOrCreate"),
      ];
      const text = "echo in the folder >/dir/f; echo in the file >/file";
      await outputOf(context, text, { spec: { volumes }, container: { volumeMounts: [mount("dir"), mount("file")] } });
      assertEquals(
        await cluster.run("cat", `${folder.path}/new/deep/f`, `${folder.path}/new-file`),
        "in the folder\nin the file\n",
      );
      assertEquals(await cluster.run("stat", "-c", "%a %F", `${folder.path}/new/deep`), "755 directory\n");
    },
  },
  {
    name: "a socket of the node is one in the container",
    item: "hostPath Socket",
    async run(context) {
      const { cluster } = context;
      const volumes = [hostPath("socket", cluster.socket, "Socket")];
      const output = await outputOf(context, "stat -c %F /socket", {
        spec: { volumes },
        container: { volumeMounts: [mount("socket")] },
      });
      assertEquals(output, "socket");
    },
  },
  {
    name: "a hostPath of the wrong type is refused, and the event says which",
    item: "hostPath types",
    async run(context) {
      const { cluster, apply, get } = context;
      await using folder = await folderOnNode(context);
      await apply(pod("refused", {
        volumes: [hostPath("file", folder.path, "File")],
        containers: [container("main", cluster.image("busybox"), { volumeMounts: [mount("file")] })],
      }));
      const event = await eventOf(context, "refused", /^FailedMount: /);
      assertStringIncludes(event, `hostPath type check failed: ${folder.path} is not a file`);
      assertEquals((await get("pod", "refused")).status.phase, "Pending");
    },
  },
  {
    name: "the node's whole root is seen with what is mounted below it",
    item: "hostPath /",
    async run(context) {
      const { cluster, namespace } = context;
      await using folder = await folderOnNode(context);
      const below = `${folder.path}/below`;
      await cluster.run(
        "sh",
        "-c",
        `mkdir ${below} && mount -t tmpfs below ${below} && echo ${namespace} >${below}/file`,
      );
      try {
        const text = `cat /root-of-node${below}/file`;
        const volumes = [hostPath("root-of-node", "/", "Directory")];
        const volumeMounts = [{ ...mount("root-of-node"), readOnly: true, mountPropagation: "HostToContainer" }];
        assertEquals(await outputOf(context, text, { spec: { volumes }, container: { volumeMounts } }), namespace);
      } finally {
        await cluster.run("umount", "-l", below);
      }
    },
  },
];
