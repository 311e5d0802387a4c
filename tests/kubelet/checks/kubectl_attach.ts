import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { type Check, pod, script } from "../check.ts";
import { kubectlBytes, KubectlSession, transports } from "../kubectl_session.ts";

const answer = 'echo before; while read line; do echo "got $line"; [ "$line" = end ] && exit 4; done';

const overTransports: Check[] = transports.map(({ name, env }) => ({
  name: `attach over ${name} gives input to the container and shows what it writes from then on`,
  item: `kubectl attach -i over ${name}`,
  async run(context) {
    await context.apply(
      pod("reads", { containers: [script("main", context.cluster.image("busybox"), answer, { stdin: true })] }),
    );
    await context.ready("reads");
    await context.until("the first line is there", async () => (await context.logs("reads")) === "before\n");
    await using session = new KubectlSession(context, ["attach", "-i", "reads"], { env });
    await session.write("one\n");
    await session.shows("got one\n");
    assert(!session.out.includes("before"), "attach shows what was written before it");
    await session.write("end\n");
    await session.shows("got end\n");
    await session.ends();
    const { status } = await context.podIs("reads", "Failed");
    assertEquals(status.containerStatuses[0].state.terminated.exitCode, 4);
    assertEquals(await context.logs("reads"), "before\ngot one\ngot end\n");
  },
}));

export const checks: Check[] = [
  ...overTransports,
  {
    name: "attach to a container's terminal",
    item: "kubectl attach -it",
    async run(context) {
      const { cluster, apply, ready } = context;
      await apply(pod("shell", {
        containers: [{ name: "main", image: cluster.image("busybox"), command: ["sh"], stdin: true, tty: true }],
      }));
      await ready("shell");
      await using session = new KubectlSession(context, ["attach", "-it", "shell"], {
        terminal: { rows: 31, columns: 97 },
      });
      await session.shows("If you don't see a command prompt");
      await session.write("\r");
      await session.shows(/[#$] /);
      await session.write("stty size; echo sum=$((40 + 2))\r");
      await session.shows("sum=42");
      assertStringIncludes(session.out, "31 97");
    },
  },
  {
    name: "two attached clients both see the output, and one may leave",
    item: "kubectl attach, two clients",
    async run(context) {
      await context.apply(
        pod("reads", { containers: [script("main", context.cluster.image("busybox"), answer, { stdin: true })] }),
      );
      await context.ready("reads");
      await using first = new KubectlSession(context, ["attach", "-i", "reads"]);
      {
        await using second = new KubectlSession(context, ["attach", "reads"]);
        await context.until("both are there", async () => {
          await first.write("again\n");
          return second.out.includes("got again") && first.out.includes("got again");
        }, 15);
      }
      await first.write("last\n");
      await first.shows("got last\n");
    },
  },
  {
    name: "kubectl run -i passes its input to a pod, shows the output and removes the pod",
    item: "kubectl run -i --rm",
    async run(context) {
      const { code, stdout, stderr } = await kubectlBytes(
        context,
        [
          "run",
          "filter",
          "-i",
          "--rm",
          "--quiet",
          "--restart=Never",
          `--image=${context.cluster.image("busybox")}`,
          "--",
          "sha256sum",
        ],
        { input: new TextEncoder().encode("what goes through\n") },
      );
      const sum = "f2b667e43f6f2f596df72e2fe562a68d1f307ce53eea262b4f001dfe83da41da";
      assertEquals([code, new TextDecoder().decode(stdout)], [0, `${sum}  -\n`], stderr);
      assertEquals((await context.tryKubectl("get", "pod", "filter")).code, 1);
    },
  },
];
