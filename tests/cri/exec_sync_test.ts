import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { NamespaceMode } from "../../proto/gen/runtime/v1/api.ts";
import { Code } from "../support/client.ts";
import { sleep } from "../support/command.ts";
import { assertRefused, env } from "../support/pods.ts";
import { onSkiff } from "../support/runtime_under_test.ts";
import { suite } from "../support/suite.ts";

const { test } = suite({ images: ["test/busybox:1", "test/configured:1"] });

test("ExecSync() returns both outputs and the exit code", async (bench) => {
  const container = await bench.run();
  assertEquals(await bench.exec(container, ["sh", "-c", "echo out; echo err >&2; exit 9"]), {
    stdout: "out\n",
    stderr: "err\n",
    exitCode: 9,
  });
  assertEquals(await bench.exec(container, ["true"]), { stdout: "", stderr: "", exitCode: 0 });
  assertEquals((await bench.exec(container, ["sh", "-c", "kill -9 $$"])).exitCode, 137);
});

test("ExecSync() has the container's user, environment, working directory and no input", async (bench) => {
  const container = await bench.run({
    image: { image: bench.node.image("test/configured:1") },
    envs: env({ FROM_REQUEST: "yes" }),
  });
  const { stdout } = await bench.exec(container, ["sh", "-c", "id -un; pwd; echo $FROM_IMAGE $FROM_REQUEST; cat"]);
  assertEquals(stdout, "app\n/srv/work\nimage yes\n");
});

test("ExecSync() of a program that isn't there says so", async (bench) => {
  const container = await bench.run();
  const answer = await bench.exec(container, ["/no/such"]).catch((error) => error);
  if (answer instanceof Error) assertStringIncludes(answer.message, "/no/such");
  else assert(answer.exitCode === 127 || answer.exitCode === 126, `exit code ${answer.exitCode}`);
});

test("ExecSync() without a command, in a container that doesn't run, and with a negative timeout is refused", async (bench) => {
  const running = await bench.run();
  await assertRefused(bench.client.execSync({ containerId: running.id, cmd: [] }), Code.INVALID_ARGUMENT, "cmd");
  await assertRefused(
    bench.client.execSync({ containerId: running.id, cmd: ["true"], timeout: -1n }),
    Code.INVALID_ARGUMENT,
    "timeout",
  );
  const created = await bench.create(running.sandbox, { metadata: { name: "created" } });
  await assertRefused(
    bench.client.execSync({ containerId: created.id, cmd: ["true"] }),
    Code.FAILED_PRECONDITION,
    "running",
  );
});

test("ExecSync() past its timeout is DeadlineExceeded and leaves no process", async (bench) => {
  const container = await bench.run();
  const began = Date.now();
  await assertRefused(
    bench.client.execSync({ containerId: container.id, cmd: ["sh", "-c", "sleep 4321 & sleep 4322"], timeout: 1n }),
    Code.DEADLINE_EXCEEDED,
    "1",
  );
  const took = Date.now() - began;
  assert(took > 900 && took < 6_000, `took ${took} ms`);
  await sleep(onSkiff ? 0 : 300);
  const left = await bench.sh(container, "ps -o args | grep 'sleep 432' | grep -v grep || true");
  if (onSkiff) assertEquals(left, "");
}, { skiffOnly: "it waits for whoever still holds the output" });

test(
  "ExecSync() with output without end stays under 16 MiB in the reply and small in the daemon (CVE-2022-1708, CVE-2022-31030)",
  async (bench) => {
    const container = await bench.run();
    const before = bench.daemon.rss();
    const reply = await bench.client.execSync({
      containerId: container.id,
      cmd: ["timeout", "5", "yes", "a rather long line that fills the buffers quickly"],
      timeout: 30n,
    }, { timeout: 60_000 });
    const total = reply.stdout.length + reply.stderr.length;
    assert(total < 16 << 20, `${total} bytes in the reply`);
    assert(total > 1 << 20, `only ${total} bytes in the reply`);
    await sleep(500);
    const grown = bench.daemon.rss() - before;
    if (onSkiff) assert(grown < 100, `the daemon grew by ${grown.toFixed(0)} MB`);
  },
  { skiffOnly: "its reply of 16 MiB is over the limit of its own server" },
);

for (const handler of ["runc", "crun"]) {
  test(
    `ExecSync() with ${handler} ends with its process even when a child of it keeps the output open`,
    async (bench) => {
      const container = await bench.run({}, await bench.sandbox({}, handler));
      await bench.exec(container, ["true"]);
      for (const timeout of [0, 30]) {
        const began = Date.now();
        const result = await bench.exec(
          container,
          ["sh", "-c", "sleep 20 & echo started; echo err >&2; exit 6"],
          timeout,
        );
        assertEquals(result, { stdout: "started\n", stderr: "err\n", exitCode: 6 });
        assert(Date.now() - began < 2_000, `took ${Date.now() - began} ms`);
      }
      assertStringIncludes(await bench.sh(container, "ps -o args"), "sleep 20");
    },
    { skiffOnly: "it waits for the child" },
  );
}

test(
  "ExecSync() in a container that shares the node's PIDs ends with its process, and the child lives on",
  async (bench) => {
    const securityContext = { namespaceOptions: { pid: NamespaceMode.NODE } };
    const container = await bench.run({ linux: { securityContext } });
    const began = Date.now();
    const result = await bench.exec(container, ["sh", "-c", "sleep 4329 & echo started; exit 6"]);
    assertEquals([result.stdout, result.exitCode], ["started\n", 6]);
    assert(Date.now() - began < 2_000, `took ${Date.now() - began} ms`);
    assertStringIncludes(await bench.sh(container, "ps -o args | grep [4]329"), "sleep 4329");
  },
  { skiffOnly: "it waits for the child" },
);

test("ExecSync() twenty times at once gives each caller its own output", async (bench) => {
  const container = await bench.run();
  const replies = await Promise.all(
    Array.from({ length: 20 }, (_, number) => bench.exec(container, ["sh", "-c", `echo ${number}; exit ${number}`])),
  );
  assertEquals(
    replies.map((reply) => [reply.stdout, reply.exitCode]),
    Array.from({ length: 20 }, (_, number) => [`${number}\n`, number]),
  );
});
