/** Hooks, the end of a container, and what it says at its end. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { type Check, pod, script } from "../check.ts";
import { containerId, podCgroup } from "../limits.ts";
import { eventOf, folderOnNode, hostPath, outputOf } from "../output.ts";

const out = { volumeMounts: [{ name: "out", mountPath: "/out" }] };

export const checks: Check[] = [
  {
    name: "a postStart hook runs inside the container",
    item: "hooks",
    async run(context) {
      const text = "while [ ! -e /tmp/hook ]; do sleep 0.1; done; cat /tmp/hook";
      const postStart = { exec: { command: ["sh", "-c", "echo $HOSTNAME >/tmp/hook"] } };
      assertEquals(
        await outputOf(context, text, { name: "hooked", container: { lifecycle: { postStart } } }),
        "hooked",
      );
    },
  },
  {
    name: "a postStart hook that fails ends its container",
    item: "hooks",
    async run(context) {
      const { cluster, apply, podIs } = context;
      const postStart = { exec: { command: ["sh", "-c", "echo hook >/dev/termination-log; exit 6"] } };
      await apply(pod("hook-fails", {
        containers: [script("main", cluster.image("busybox"), "exec sleep 3600", { lifecycle: { postStart } })],
      }));
      await eventOf(context, "hook-fails", /^FailedPostStartHook:/);
      const { status } = await podIs("hook-fails", "Failed");
      const { exitCode, message } = status.containerStatuses[0].state.terminated;
      assertEquals([exitCode, message], [137, "hook\n"]);
    },
  },
  {
    name: "a preStop hook runs to its end before SIGTERM comes",
    item: "hooks",
    async run(context) {
      const { cluster, apply, ready, kubectl } = context;
      await using folder = await folderOnNode(context);
      const text = "trap 'echo term >>/out/log; exit 0' TERM; while :; do sleep 3600 & wait $!; done";
      const preStop = { exec: { command: ["sh", "-c", "echo hook >>/out/log; sleep 1; echo end >>/out/log"] } };
      await apply(pod("stops", {
        terminationGracePeriodSeconds: 20,
        volumes: [hostPath("out", folder.path)],
        containers: [script("main", cluster.image("busybox"), text, { ...out, lifecycle: { preStop } })],
      }));
      await ready("stops");
      await kubectl("delete", "pod", "stops");
      assertEquals(await cluster.run("cat", `${folder.path}/log`), "hook\nend\nterm\n");
    },
  },
  {
    name: "a container that ignores SIGTERM is killed when the grace period is over",
    item: "grace period",
    async run(context) {
      const { cluster, apply, ready, kubectl } = context;
      await using folder = await folderOnNode(context);
      const text = "trap 'date +%s >/out/term' TERM; while :; do date +%s >/out/alive; sleep 0.2; done";
      await apply(pod("stubborn", {
        terminationGracePeriodSeconds: 4,
        volumes: [hostPath("out", folder.path)],
        containers: [script("main", cluster.image("busybox"), text, out)],
      }));
      await ready("stubborn");
      await kubectl("delete", "pod", "stubborn");
      const term = Number(await cluster.run("cat", `${folder.path}/term`));
      const last = Number(await cluster.run("cat", `${folder.path}/alive`));
      assert(last - term >= 3 && last - term <= 8, `SIGTERM at ${term}, last seen alive at ${last}`);
    },
  },
  {
    name: "a container ends by the stop signal of its lifecycle",
    item: "ContainerStopSignals",
    async run(context) {
      const { cluster, apply, ready, kubectl } = context;
      await using folder = await folderOnNode(context);
      const text = 'for s in TERM INT USR1 USR2; do trap "echo $s >>/out/log; exit 0" $s; done; ' +
        "while :; do sleep 3600 & wait $!; done";
      await apply(pod("signalled", {
        os: { name: "linux" },
        terminationGracePeriodSeconds: 20,
        volumes: [hostPath("out", folder.path)],
        containers: [script("main", cluster.image("busybox"), text, { ...out, lifecycle: { stopSignal: "SIGUSR2" } })],
      }));
      const { status } = await ready("signalled");
      assertEquals(status.containerStatuses[0].stopSignal, "SIGUSR2");
      await kubectl("delete", "pod", "signalled");
      assertEquals(await cluster.run("cat", `${folder.path}/log`), "USR2\n");
    },
  },
  {
    name: "a container ends by the stop signal of its image",
    item: "stop signal",
    async run(context) {
      const { cluster, apply, ready, kubectl } = context;
      await using folder = await folderOnNode(context);
      const text = 'for s in TERM USR1; do trap "echo $s >>/out/log; exit 0" $s; done; ' +
        "while :; do sleep 3600 & wait $!; done";
      await apply(pod("signalled", {
        terminationGracePeriodSeconds: 20,
        volumes: [hostPath("out", folder.path)],
        containers: [script("main", cluster.image("configured"), text, out)],
      }));
      await ready("signalled");
      await kubectl("delete", "pod", "signalled");
      assertEquals(await cluster.run("cat", `${folder.path}/log`), "USR1\n");
    },
  },
  {
    name: "a container's last words are read from the file that it names",
    item: "terminationMessagePath",
    async run({ cluster, apply, podIs }) {
      const [path, text] = ["/tmp/last-words", "printf 'farewell' >/tmp/last-words; echo not this; exit 1"];
      await apply(pod("speaks", {
        containers: [script("main", cluster.image("busybox"), text, { terminationMessagePath: path })],
      }));
      const { status } = await podIs("speaks", "Failed");
      assertEquals(status.containerStatuses[0].state.terminated.message, "farewell");
    },
  },
  {
    name: "a failed container without last words is quoted from its log",
    item: "FallbackToLogsOnError",
    async run({ cluster, apply, podIs }) {
      const policy = { terminationMessagePolicy: "FallbackToLogsOnError" };
      const image = cluster.image("busybox");
      await apply(pod("quoted", {
        containers: [
          script("bad", image, "echo one; echo two >&2; exit 1", policy),
          script("good", image, "echo fine", policy),
        ],
      }));
      const { containerStatuses } = (await podIs("quoted", "Failed")).status;
      const messages = containerStatuses.map(({ name, state }: {
        name: string;
        state: { terminated: { message?: string } };
      }) => [name, state.terminated.message?.trim().split("\n").sort()]);
      assertEquals(Object.fromEntries(messages), { bad: ["one", "two"], good: undefined });
    },
  },
  {
    name: "a pod is ended when its activeDeadlineSeconds are over",
    item: "activeDeadlineSeconds",
    async run({ cluster, apply, ready, podIs, until }) {
      await apply(
        pod("late", {
          activeDeadlineSeconds: 5,
          containers: [script("main", cluster.image("busybox"), "exec sleep 3600")],
        }),
      );
      const running = await ready("late");
      const cgroup = await podCgroup(cluster, running);
      assertMatch(containerId(running), /^[0-9a-f]{64}$/);
      assertEquals((await podIs("late", "Failed")).status.reason, "DeadlineExceeded");
      await until("no process of the pod is left", async () => {
        const root = cluster.cgroup === 1 ? "/sys/fs/cgroup/memory" : "/sys/fs/cgroup";
        const text = `find ${root}${cgroup} -name cgroup.procs -exec cat {} + 2>/dev/null | wc -l`;
        return Number(await cluster.run("sh", "-c", text)) === 0;
      });
    },
  },
];
