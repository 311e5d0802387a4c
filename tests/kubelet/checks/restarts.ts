/** What follows when a container has ended. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type Check, pod, script } from "../check.ts";
import { eventOf } from "../output.ts";

/** Appends a line to a file that outlives the container, and does `then` with the number of lines. */
const counted = (then: string) => `echo run >>/work/runs; count=$(wc -l </work/runs); ${then}`;
const work = { volumeMounts: [{ name: "work", mountPath: "/work" }] };
const volumes = [{ name: "work", emptyDir: {} }];

export const checks: Check[] = [
  {
    name: "restartPolicy Always starts a container again that ended well, with a fresh root and the same volume",
    item: "restart policies",
    async run({ cluster, apply, until, get, exec, kubectl }) {
      const text = counted("[ $count -gt 1 ] || { touch /of-the-first; exit 0; }; exec sleep 3600");
      await apply(
        pod("always", {
          restartPolicy: "Always",
          volumes,
          containers: [script("main", cluster.image("busybox"), text, work)],
        }),
      );
      await until("the container runs again", async () => {
        const [main] = (await get("pod", "always")).status.containerStatuses ?? [];
        return main?.restartCount === 1 && main.state.running && main.lastState.terminated?.reason === "Completed";
      });
      assertEquals(await exec("always", "cat", "/work/runs"), "run\nrun\n");
      assertEquals(await kubectl("exec", "always", "--", "sh", "-c", "ls -d /of-* 2>/dev/null; echo end"), "end\n");
    },
  },
  {
    name: "restartPolicy OnFailure starts a container again until it ends well",
    item: "restart policies",
    async run({ cluster, apply, podIs }) {
      const text = counted("[ $count -gt 1 ]");
      await apply(
        pod("until-good", {
          restartPolicy: "OnFailure",
          volumes,
          containers: [script("main", cluster.image("busybox"), text, work)],
        }),
      );
      const [main] = (await podIs("until-good", "Succeeded")).status.containerStatuses;
      assertEquals([main.restartCount, main.state.terminated.exitCode], [1, 0]);
    },
  },
  {
    name: "restartPolicy Never leaves each container as it ended",
    item: "restart policies",
    async run({ cluster, apply, podIs }) {
      const image = cluster.image("busybox");
      await apply(
        pod("never", { containers: [script("good", image, "exit 0"), script("bad", image, "sleep 1; exit 3")] }),
      );
      const { containerStatuses } = (await podIs("never", "Failed")).status;
      const told = containerStatuses.map(({ name, restartCount, state }: {
        name: string;
        restartCount: number;
        state: { terminated: { reason: string; exitCode: number } };
      }) => `${name} ${restartCount} ${state.terminated.reason} ${state.terminated.exitCode}`);
      assertEquals(told.sort(), ["bad 0 Error 3", "good 0 Completed 0"]);
    },
  },
  {
    name: "a container that fails again and again is started later and later",
    item: "back-off",
    async run(context) {
      const { cluster, apply, until, get, kubectl } = context;
      const containers = [script("main", cluster.image("busybox"), "echo failing; exit 9")];
      await apply(pod("crashes", { restartPolicy: "Always", containers }));
      await eventOf(context, "crashes", /^BackOff: Back-off restarting failed container main/);
      let looks = 0;
      const main = await until("the kubelet waits before the next start", async () => {
        // The state is told at the next look at the pod, which a change of the pod brings about.
        await kubectl("annotate", "--overwrite", "pod", "crashes", `look=${++looks}`);
        const [main] = (await get("pod", "crashes")).status.containerStatuses;
        return main.state.waiting?.reason === "CrashLoopBackOff" && main;
      });
      assertMatch(main.state.waiting.message, /back-off \S+ restarting failed container=main/);
      assertEquals(main.lastState.terminated.exitCode, 9);
      assertEquals(await kubectl("logs", "crashes"), "failing\n");
    },
  },
  {
    name: "a container's rules start it again after one exit code and not after another",
    item: "restart policies",
    async run({ cluster, apply, podIs }) {
      const rules = [{ action: "Restart", exitCodes: { operator: "In", values: [42] } }];
      const text = counted("[ $count -gt 1 ] && exit 7; exit 42");
      await apply(pod("rules", {
        volumes,
        containers: [
          script("main", cluster.image("busybox"), text, {
            ...work,
            restartPolicy: "Never",
            restartPolicyRules: rules,
          }),
        ],
      }));
      const [main] = (await podIs("rules", "Failed")).status.containerStatuses;
      assertEquals([main.restartCount, main.state.terminated.exitCode], [1, 7]);
    },
  },
  {
    name: "a program that the image has not is named in the pod's state",
    item: "containers that cannot start",
    async run(context) {
      const { cluster, apply, until, get } = context;
      const containers = [{ name: "main", image: cluster.image("busybox"), command: ["/no/such/program"] }];
      await apply(pod("missing", { containers }));
      await eventOf(context, "missing", /^Failed: .*\/no\/such\/program/);
      // Runtimes differ in which of their two calls fails: creation leaves the container waiting, the start ends it.
      const { waiting, terminated } = await until("the pod's status tells the reason", async () => {
        const [{ state }] = (await get("pod", "missing")).status.containerStatuses;
        return (state.terminated ?? state.waiting?.message) && state;
      });
      assertStringIncludes((waiting ?? terminated).message, "/no/such/program");
      assertMatch((waiting ?? terminated).reason, /^(CreateContainerError|StartError|ContainerCannotRun)$/);
    },
  },
];
