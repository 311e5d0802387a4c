import { assert, assertEquals, assertMatch } from "@std/assert";
import { type Check, container, pod, script } from "../check.ts";
import { KubectlSession } from "../kubectl_session.ts";

/** Keeps a container there after it has written something, and lets it end at once. */
const stay = "trap 'exit 0' TERM; sleep 3600 & wait $!";

export const checks: Check[] = [
  {
    name: "kubectl logs of a pod of two containers, by name and all together",
    item: "kubectl logs -c, --all-containers, --prefix",
    async run({ cluster, apply, podIs, logs, tryKubectl }) {
      const image = cluster.image("busybox");
      await apply(pod("two", { containers: [script("a", image, "echo of a"), script("b", image, "echo of b")] }));
      await podIs("two", "Succeeded");
      assertEquals(await logs("two", "-c", "a"), "of a\n");
      assertEquals(await logs("two", "-c", "b"), "of b\n");
      const all = await logs("two", "--all-containers", "--prefix");
      assertEquals(all.trim().split("\n").sort(), ["[pod/two/a] of a", "[pod/two/b] of b"]);
      assert((await tryKubectl("logs", "two", "-c", "c")).code !== 0, "logs of a container that there is not");
    },
  },
  {
    name: "kubectl logs shows the end, the beginning and the times of a log",
    item: "kubectl logs --tail, --limit-bytes, --timestamps",
    async run({ cluster, apply, podIs, logs }) {
      const began = Date.now();
      await apply(pod("counts", { containers: [script("main", cluster.image("busybox"), "seq 1 500")] }));
      await podIs("counts", "Succeeded");
      assertEquals(await logs("counts", "--tail=3"), "498\n499\n500\n");
      assertEquals(await logs("counts", "--limit-bytes=10"), "1\n2\n3\n4\n5\n");
      const lines = (await logs("counts", "--timestamps")).trim().split("\n").map((line) => line.split(" "));
      assertEquals(lines.map(([, text]) => Number(text)), Array.from({ length: 500 }, (_, at) => at + 1));
      let last = began - 1000;
      for (const [time] of lines) {
        assertMatch(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(Z|[+-]\d\d:\d\d)$/);
        assert(Date.parse(time) >= last && Date.parse(time) <= Date.now() + 1000, `${time} is out of order`);
        last = Date.parse(time);
      }
    },
  },
  {
    name: "kubectl logs shows only what was written since a time",
    item: "kubectl logs --since, --since-time",
    async run({ cluster, apply, logs, until }) {
      await apply(pod("slow", {
        containers: [script("main", cluster.image("busybox"), `echo early; sleep 3; echo late; ${stay}`)],
      }));
      await until("the second line is there", async () => (await logs("slow").catch(() => "")).includes("late"));
      const times = (await logs("slow", "--timestamps")).trim().split("\n").map((line) => line.split(" ")[0]);
      assertEquals(times.length, 2);
      assertEquals(await logs("slow", "--since=1h"), "early\nlate\n");
      assertEquals(await logs("slow", `--since-time=${times[1].replace(/\.\d+/, "")}`), "late\n");
      await until("the lines have grown old", async () => await logs("slow", "--since=1s") === "", 10);
    },
  },
  {
    name: "kubectl logs -f shows lines as they come and ends with the container",
    item: "kubectl logs -f",
    async run(context) {
      const { cluster, apply, ready } = context;
      const text = "while [ ! -e /tmp/go ]; do sleep 0.2; done; echo two; sleep 1; echo three";
      await apply(pod("follow", { containers: [script("main", cluster.image("busybox"), `echo one; ${text}`)] }));
      await ready("follow");
      await using session = new KubectlSession(context, ["logs", "-f", "follow"]);
      await session.shows("one\n");
      assert(!session.out.includes("two"));
      await context.exec("follow", "touch", "/tmp/go");
      await session.shows("two\n", 10);
      assertEquals([await session.ends(20), session.out], [0, "one\ntwo\nthree\n"]);
    },
  },
  {
    name: "kubectl logs --previous shows the container before a restart",
    item: "kubectl logs --previous",
    async run({ cluster, apply, logs, until, get }) {
      const text =
        `n=$(cat /data/n 2>/dev/null || echo 1); echo $((n + 1)) >/data/n; echo run $n; [ $n = 1 ] && exit 1; ${stay}`;
      await apply(pod("again", {
        restartPolicy: "OnFailure",
        containers: [
          script("main", cluster.image("busybox"), text, { volumeMounts: [{ name: "data", mountPath: "/data" }] }),
        ],
        volumes: [{ name: "data", emptyDir: {} }],
      }));
      await until("it was started again", async () => {
        const [status] = (await get("pod", "again")).status.containerStatuses ?? [];
        return status?.restartCount === 1 && status.state.running !== undefined;
      });
      assertEquals([await logs("again", "--previous"), await logs("again")], ["run 1\n", "run 2\n"]);
    },
  },
  {
    name: "kubectl logs gives long lines and lines without an end as they were written",
    item: "partial lines in logs",
    async run({ cluster, apply, podIs, logs }) {
      const image = cluster.image("busybox");
      await apply(pod("lines", {
        containers: [
          script("long", image, "head -c 40000 /dev/zero | tr '\\0' x; echo; echo end"),
          script("cut", image, "echo whole; printf 'no newline'"),
        ],
      }));
      await podIs("lines", "Succeeded");
      const lines = (await logs("lines", "-c", "long")).split("\n");
      assertEquals(lines.map((line) => line.length), [40_000, 3, 0]);
      assertEquals((await logs("lines", "-c", "cut")).trimEnd(), "whole\nno newline");
    },
  },
  {
    name: "kubectl logs of an init container that has ended, and of what an exec writes to the container's own output",
    item: "kubectl logs of an init container",
    async run({ cluster, apply, ready, logs, exec }) {
      const image = cluster.image("busybox");
      await apply(pod("inits", {
        initContainers: [script("first", image, "echo initialised")],
        containers: [container("main", image)],
      }));
      await ready("inits");
      assertEquals(await logs("inits", "-c", "first"), "initialised\n");
      assertEquals(await logs("inits", "-c", "main"), "");
      await exec("inits", "sh", "-c", "echo from outside >/proc/1/fd/1");
      assertEquals(await logs("inits", "-c", "main"), "from outside\n");
    },
  },
];
