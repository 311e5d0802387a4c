/** Who a container's processes are. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { type Check, container, pod, script } from "../check.ts";
import { eventOf, outputOf } from "../output.ts";

export const checks: Check[] = [
  {
    name: "runAsUser and runAsGroup are the container's own, or the pod's",
    item: "runAsUser, runAsGroup",
    async run({ cluster, apply, podIs, logs }) {
      const image = cluster.image("busybox");
      const text = "echo $(id -u) $(id -g); touch /tmp/file; stat -c %u:%g /tmp/file";
      await apply(pod("users", {
        securityContext: { runAsUser: 2000, runAsGroup: 3000 },
        containers: [
          script("pod", image, text),
          script("own", image, text, { securityContext: { runAsUser: 2001, runAsGroup: 3001 } }),
        ],
      }));
      await podIs("users", "Succeeded");
      assertEquals(await logs("users", "-c", "pod"), "2000 3000\n2000:3000\n");
      assertEquals(await logs("users", "-c", "own"), "2001 3001\n2001:3001\n");
    },
  },
  {
    name: "runAsNonRoot refuses an image that runs as root, and one whose user is only a name",
    item: "runAsNonRoot",
    async run(context) {
      const { cluster, apply, get } = context;
      const securityContext = { runAsNonRoot: true };
      await apply(pod("root", { securityContext, containers: [container("main", cluster.image("busybox"))] }));
      await apply(pod("named", { securityContext, containers: [container("main", cluster.image("configured"))] }));
      await eventOf(context, "root", /^Failed: .*container has runAsNonRoot and image will run as root/);
      await eventOf(context, "named", /^Failed: .*image has non-numeric user \(app\), cannot verify user is non-root/);
      const [{ state }] = (await get("pod", "root")).status.containerStatuses;
      assertEquals(state.waiting.reason, "CreateContainerConfigError");
      assertEquals(
        await outputOf(context, "id -u", {
          name: "other",
          spec: { securityContext: { ...securityContext, runAsUser: 5 } },
        }),
        "5",
      );
    },
  },
  {
    name: "supplementalGroups are added to the image's groups, and replace them with policy Strict",
    item: "supplementalGroups, supplementalGroupsPolicy",
    async run(context) {
      const groups = async (name: string, supplementalGroupsPolicy: string) => {
        const securityContext = {
          runAsUser: 1000,
          runAsGroup: 1001,
          supplementalGroups: [4000],
          supplementalGroupsPolicy,
        };
        const text = "sed -n 's/^Groups:[[:space:]]*//p' /proc/self/status";
        const output = await outputOf(context, text, { name, spec: { securityContext } });
        return output.trim().split(" ").map(Number).filter((group) => group !== 1001);
      };
      // The image's /etc/group has user 1000 in group 50000.
      assertEquals(await groups("merge", "Merge"), [4000, 50000]);
      assertEquals(await groups("strict", "Strict"), [4000]);
      const told = async (name: string) => {
        const [{ user }] = (await context.get("pod", name)).status.containerStatuses;
        return [user.linux.uid, user.linux.gid, user.linux.supplementalGroups.includes(50000)];
      };
      assertEquals([await told("merge"), await told("strict")], [[1000, 1001, true], [1000, 1001, false]]);
    },
  },
  {
    name: "fsGroup owns the volume and is one of the process's groups",
    item: "fsGroup",
    async run(context) {
      const text = "stat -c '%g %a' /v; touch /v/file; stat -c %g /v/file; id -G";
      const output = await outputOf(context, text, {
        spec: { securityContext: { runAsUser: 2000, fsGroup: 5000 }, volumes: [{ name: "v", emptyDir: {} }] },
        container: { volumeMounts: [{ name: "v", mountPath: "/v" }] },
      });
      const [folder, file, groups] = output.split("\n");
      assertEquals([folder, file], ["5000 2777", "5000"]);
      assert(groups.split(" ").includes("5000"), groups);
    },
  },
  {
    name: "a user that the image does not know still has a home and a name of its own",
    item: "runAsUser, runAsGroup",
    async run(context) {
      const securityContext = { runAsUser: 12345 };
      const output = await outputOf(context, "id -u; echo $HOME; cd; touch /tmp/file && ls -n /tmp/file", {
        spec: { securityContext },
      });
      const [uid, home, file] = output.split("\n");
      assertEquals([uid, home], ["12345", "/"]);
      assertMatch(file, /\s12345\s/);
    },
  },
  {
    name: "hostUsers false maps the container's root to a user that the node does not know",
    item: "user namespaces",
    async run({ cluster, apply, ready, exec, kubectl }) {
      await apply(pod("mapped", {
        hostUsers: false,
        volumes: [{ name: "v", emptyDir: {} }],
        containers: [
          script("main", cluster.image("busybox"), "exec sleep 3600", {
            volumeMounts: [{ name: "v", mountPath: "/v" }],
          }),
        ],
      }));
      const { metadata } = await ready("mapped");
      const [inside, outside, length] = (await exec("mapped", "cat", "/proc/self/uid_map")).trim().split(/\s+/).map(
        Number,
      );
      assertEquals([inside, length], [0, 65536]);
      assert(outside >= 65536, `0 is ${outside} on the node`);
      await kubectl("exec", "mapped", "--", "sh", "-c", "id -u; touch /v/file; [ $(stat -c %u /v/file) = 0 ]");
      // The volume is shown through the mapping: what root writes there is root's on the node, too.
      const file = `${cluster.kubeletRoot}/pods/${metadata.uid}/volumes/kubernetes.io~empty-dir/v/file`;
      assertEquals((await cluster.run("stat", "-c", "%u", file)).trim(), "0");
      // Some end while they are looked at.
      const owners = await cluster.run(
        "sh",
        "-c",
        `stat -c %u $(grep -lsx sleep /proc/[0-9]*/comm | xargs -n1 dirname) 2>/dev/null; true`,
      );
      assert(owners.split("\n").includes(String(outside)), `no process on the node is of user ${outside}`);
    },
  },
];
