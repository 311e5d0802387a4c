/** What runs before the pod's containers, and beside them. */
import { assert, assertEquals } from "@std/assert";
import { type Check, pod, script, sleepForever } from "../check.ts";

const work = { volumeMounts: [{ name: "work", mountPath: "/work" }] };
const volumes = [{ name: "work", emptyDir: {} }];

interface Status {
  name: string;
  restartCount: number;
  // deno-lint-ignore no-explicit-any
  state: any;
}
const named = (statuses: Status[], name: string) => statuses.find((status) => status.name === name)!;

export const checks: Check[] = [
  {
    name: "init containers run one after another, before the main one",
    item: "init containers",
    async run({ cluster, apply, podIs, logs }) {
      const step = (name: string, text: string) => script(name, cluster.image("busybox"), text, work);
      await apply(pod("steps", {
        volumes,
        initContainers: [
          step("first", "sleep 1; echo first >>/work/log"),
          step("second", "echo second >>/work/log"),
        ],
        containers: [step("main", "echo main >>/work/log; cat /work/log")],
      }));
      await podIs("steps", "Succeeded");
      assertEquals(await logs("steps"), "first\nsecond\nmain\n");
    },
  },
  {
    name: "an init container's failure keeps the main one from starting",
    item: "init containers",
    async run({ cluster, apply, podIs }) {
      const image = cluster.image("busybox");
      await apply(
        pod("stops", {
          initContainers: [script("init", image, "exit 4")],
          containers: [script("main", image, "echo never")],
        }),
      );
      const { status } = await podIs("stops", "Failed");
      assertEquals(named(status.initContainerStatuses, "init").state.terminated.exitCode, 4);
      const main = named(status.containerStatuses, "main");
      assertEquals(main.state.waiting?.reason ?? main.state.terminated?.reason, "PodInitializing");
    },
  },
  {
    name: "a sidecar is up before the main container and ends after it",
    item: "sidecar containers",
    async run({ cluster, apply, podIs, logs }) {
      const image = cluster.image("busybox");
      const sidecar = `echo started >/work/side
trap 'echo "main wrote: $(cat /work/main)"; exit 0' TERM
while :; do sleep 3600 & wait $!; done`;
      await apply(pod("beside", {
        volumes,
        terminationGracePeriodSeconds: 10,
        initContainers: [
          script("side", image, sidecar, {
            ...work,
            restartPolicy: "Always",
            startupProbe: { exec: { command: ["test", "-e", "/work/side"] }, periodSeconds: 1 },
          }),
          script("init", image, "cat /work/side; ls /work", work),
        ],
        containers: [script("main", image, "cat /work/side; sleep 1; echo done >/work/main", work)],
      }));
      const { status } = await podIs("beside", "Succeeded");
      assertEquals(await logs("beside", "-c", "init"), "started\nside\n");
      assertEquals(await logs("beside", "-c", "main"), "started\n");
      assertEquals(await logs("beside", "-c", "side"), "main wrote: done\n");
      const ended = (container: Status) => Date.parse(container.state.terminated.finishedAt);
      const [side, main] = [
        named(status.initContainerStatuses, "side"),
        named(status.containerStatuses, "main"),
      ];
      assert(ended(side) >= ended(main));
    },
  },
  {
    name: "a sidecar that ends is started again while the main container goes on",
    item: "sidecar containers",
    async run({ cluster, apply, ready, until, get, exec }) {
      const image = cluster.image("busybox");
      const ends = "echo run >>/work/runs; [ $(wc -l </work/runs) -gt 1 ] || exit 1; exec sleep 3600";
      await apply(pod("again", {
        volumes,
        initContainers: [script("side", image, ends, { ...work, restartPolicy: "Always" })],
        containers: [{ name: "main", image, command: sleepForever, ...work }],
      }));
      await ready("again");
      await until("the sidecar runs again", async () => {
        const side = named((await get("pod", "again")).status.initContainerStatuses, "side");
        return side.restartCount === 1 && side.state.running;
      });
      assertEquals(await exec("again", "cat", "/work/runs"), "run\nrun\n");
      assertEquals(named((await get("pod", "again")).status.containerStatuses, "main").restartCount, 0);
    },
  },
];
