import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type Check, container, pod } from "../check.ts";

interface Event {
  type: string;
  reason: string;
  message: string;
  involvedObject: { name: string };
}

export const checks: Check[] = [
  {
    name: "events tell the life of a pod, each with its reason",
    item: "events",
    async run({ cluster, apply, ready, kubectl, until }) {
      const image = cluster.image("busybox");
      await apply(pod("lives", { containers: [container("main", image)] }));
      await ready("lives");
      await kubectl("delete", "pod", "lives");
      const events = await until("the container was killed, say the events", async () => {
        const { items } = JSON.parse(await kubectl("get", "events", "-o", "json")) as { items: Event[] };
        return items.some(({ reason }) => reason === "Killing") && items;
      }, 15);
      const reasons = events.map(({ reason }) => reason);
      for (const reason of ["Scheduled", "Pulled", "Created", "Started", "Killing"]) {
        assert(reasons.includes(reason), `no event ${reason} in ${reasons}`);
      }
      assertStringIncludes(events.find(({ reason }) => reason === "Pulled")!.message, image);
      assertEquals(events.filter(({ type }) => type !== "Normal"), []);
    },
  },
  {
    name: "a container that cannot be started says why, in its status and its events",
    item: "events name the reason of a failure",
    async run({ cluster, apply, until, get, kubectl }) {
      await apply(pod("fails", {
        containers: [{ name: "main", image: cluster.image("busybox"), command: ["/no/such/program"] }],
      }));
      const { state } = await until("the container has failed", async () => {
        const [status] = (await get("pod", "fails")).status.containerStatuses ?? [];
        return (status?.state.terminated || status?.state.waiting?.message) && status;
      });
      const { reason, message } = state.terminated ?? state.waiting;
      assertMatch(reason, /^(StartError|RunContainerError|CreateContainerError|ContainerCannotRun)$/);
      assertStringIncludes(message, "/no/such/program");
      assertMatch(message, /no such file|not found/);
      const { items } = JSON.parse(await kubectl("get", "events", "-o", "json")) as { items: Event[] };
      const failed = items.filter((event) => event.reason === "Failed");
      assert(failed.some((event) => event.message.includes("/no/such/program")), JSON.stringify(failed));
    },
  },
  {
    name: "describe shows container and image by the runtime's own IDs",
    item: "kubectl describe pod",
    async run({ cluster, apply, ready, get, kubectl }) {
      await apply(pod("there", { containers: [container("main", cluster.image("busybox"))] }));
      await ready("there");
      const [{ containerID, imageID, image }] = (await get("pod", "there")).status.containerStatuses;
      assertMatch(containerID, new RegExp(`^${cluster.runtime}://[0-9a-f]{64}$`));
      assertMatch(imageID, /@sha256:[0-9a-f]{64}$/);
      assertEquals(image, cluster.image("busybox"));
      const said = await kubectl("describe", "pod", "there");
      assertMatch(said, new RegExp(`Container ID:\\s+${containerID}`));
      assertMatch(said, new RegExp(`Image ID:\\s+${imageID}`));
      assertMatch(said, /State:\s+Running/);
      assertMatch(said, /Normal\s+Started\s.*kubelet/);
    },
  },
  {
    name: "kubectl top shows what a busy pod and the node use",
    item: "kubectl top",
    timeout: 180,
    unavailable: ({ has }) => has.metricsServer ? undefined : "the metrics server was not built",
    async run({ cluster, apply, ready, tryKubectl, until }) {
      await apply(pod("busy", {
        containers: [{
          name: "main",
          image: cluster.image("busybox"),
          command: ["sh", "-c", "head -c 60000000 /dev/zero >/memory/file; while :; do :; done"],
          volumeMounts: [{ name: "memory", mountPath: "/memory" }],
          resources: { limits: { cpu: "300m" } },
        }],
        volumes: [{ name: "memory", emptyDir: { medium: "Memory" } }],
      }));
      await ready("busy");
      const [cpu, memory] = await until("top shows the pod at work", async () => {
        const { code, stdout } = await tryKubectl("top", "pod", "busy", "--containers", "--no-headers");
        const found = /busy\s+main\s+(\d+)m\s+(\d+)Mi/.exec(stdout);
        return code === 0 && found !== null && Number(found[1]) > 50 && [Number(found[1]), Number(found[2])];
      }, 120);
      assert(cpu <= 400, `${cpu}m where 300m are allowed`);
      assert(memory >= 50 && memory < 200, `${memory}Mi, with 60 MB in a tmpfs`);
      await until("top shows the node", async () => {
        const { stdout } = await tryKubectl("top", "node", cluster.nodeName, "--no-headers");
        return /\s+\d+m\s+\d+%\s+\d+Mi\s+\d+%/.test(stdout);
      }, 60);
    },
  },
];
