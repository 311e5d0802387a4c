import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { createHash } from "node:crypto";
import { type Check, type CheckContext, container, pod, script } from "../check.ts";
import { kubectlBytes, KubectlSession, transports } from "../kubectl_session.ts";

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

async function podThere(context: CheckContext): Promise<void> {
  await context.apply(pod("there", { containers: [container("main", context.cluster.image("busybox"))] }));
  await context.ready("there");
}

const overTransports: Check[] = transports.flatMap(({ name, env }) => [
  {
    name: `exec over ${name}: input, both outputs apart, the exit code`,
    item: `kubectl exec -i over ${name}`,
    async run(context) {
      await podThere(context);
      const text = "cat; echo on stderr >&2; exit 9";
      const input = new TextEncoder().encode("typed in\n");
      const { code, stdout, stderr } = await kubectlBytes(
        context,
        ["exec", "-i", "there", "--", "sh", "-c", text],
        { input, env },
      );
      assertEquals([code, new TextDecoder().decode(stdout)], [9, "typed in\n"]);
      assertStringIncludes(stderr, "on stderr\n");
    },
  },
  {
    name: `exec over ${name}: a shell in a terminal of the client's size`,
    item: `kubectl exec -it over ${name}`,
    async run(context) {
      await podThere(context);
      await using session = new KubectlSession(context, ["exec", "-it", "there", "--", "sh"], {
        env,
        terminal: { rows: 33, columns: 101 },
      });
      await session.shows(/[#$] /);
      await session.write("tty; stty size; echo sum=$((40 + 2))\r");
      await session.shows("sum=42");
      assertStringIncludes(session.out, "/dev/pts/");
      assertStringIncludes(session.out, "33 101");
      // The terminal's own control character must reach the program as a signal.
      await session.write("echo sle''eping; sleep 1000\r");
      await session.shows("sleeping");
      await session.write("\x03");
      await session.write("echo still=$((1 + 1))\r");
      await session.shows("still=2");
      await session.write("exit 3\r");
      assertEquals(await session.ends(), 3);
    },
  },
  {
    name: `exec over ${name}: ten megabytes in and out, byte for byte`,
    item: `kubectl exec, large streams over ${name}`,
    async run(context) {
      await podThere(context);
      const bytes = new Uint8Array(10 << 20);
      for (let at = 0; at < bytes.length; at += 65_536) crypto.getRandomValues(bytes.subarray(at, at + 65_536));
      const sent = await kubectlBytes(
        context,
        ["exec", "-i", "there", "--", "sh", "-c", "cat >/tmp/bytes; sha256sum </tmp/bytes"],
        { input: bytes, env },
      );
      assertEquals([sent.code, new TextDecoder().decode(sent.stdout).slice(0, 64)], [0, sha256(bytes)], sent.stderr);
      const received = await kubectlBytes(context, ["exec", "there", "--", "cat", "/tmp/bytes"], { env });
      assertEquals([received.code, sha256(received.stdout)], [0, sha256(bytes)], received.stderr);
    },
  },
]);

export const checks: Check[] = [
  ...overTransports,
  {
    name: "exec runs in the named container, with its user, folder and environment",
    item: "kubectl exec -c",
    async run({ cluster, apply, ready, kubectl }) {
      const image = cluster.image("busybox");
      await apply(pod("two", {
        containers: [
          container("first", image),
          container("second", image, {
            workingDir: "/var/lib",
            env: [{ name: "WHICH", value: "second" }],
            securityContext: { runAsUser: 1000, runAsGroup: 1001 },
          }),
        ],
      }));
      await ready("two");
      const said = await kubectl("exec", "two", "-c", "second", "--", "sh", "-c", "pwd; id -u; id -g; echo $WHICH");
      assertEquals(said, "/var/lib\n1000\n1001\nsecond\n");
      assertEquals(await kubectl("exec", "two", "-c", "first", "--", "sh", "-c", "id -u; echo $WHICH"), "0\n\n");
    },
  },
  {
    name: "exec of a program that there is not, and in a pod that has ended, say why",
    item: "kubectl exec, errors",
    async run(context) {
      const { cluster, apply, podIs, tryKubectl } = context;
      await podThere(context);
      const missing = await tryKubectl("exec", "there", "--", "/no/such/program");
      assert(missing.code !== 0);
      assertStringIncludes(missing.stderr, "/no/such/program");
      await apply(pod("over", { containers: [script("main", cluster.image("busybox"), "true")] }));
      await podIs("over", "Succeeded");
      const over = await tryKubectl("exec", "over", "--", "true");
      assert(over.code !== 0);
      assertStringIncludes(over.stderr, "completed");
    },
  },
  {
    name: "exec ends with its container, and a client that goes away ends what read from it",
    item: "kubectl exec, disconnect",
    async run(context) {
      await podThere(context);
      {
        await using session = new KubectlSession(context, ["exec", "-i", "there", "--", "sh", "-c", "echo up; cat"]);
        await session.shows("up");
        assertMatch(await context.exec("there", "ps"), /\bcat$/m);
      }
      await context.until(
        "the program whose input has ended is gone",
        async () => !/\bcat$/m.test(await context.exec("there", "ps")),
        15,
      );
      await using session = new KubectlSession(context, ["exec", "-i", "there", "--", "sh", "-c", "echo up; cat"]);
      await session.shows("up");
      await context.kubectl("delete", "pod", "there", "--wait=false");
      assert(await session.ends(30) !== 0, "the container was killed, but kubectl says that all is well");
    },
  },
  {
    name: "twenty execs at once each get their own output",
    item: "kubectl exec, many at once",
    async run(context) {
      await podThere(context);
      const said = await Promise.all(
        Array.from({ length: 20 }, (_, at) => context.exec("there", "sh", "-c", `echo ${at}; sleep 0.5; echo ${at}`)),
      );
      assertEquals(said, Array.from({ length: 20 }, (_, at) => `${at}\n${at}\n`));
    },
  },
];
