/** crictl's streaming verbs, over SPDY and over WebSocket. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { waitUntil } from "../support/command.ts";
import { Crictl } from "../support/crictl.ts";
import type { Workbench } from "../support/pods.ts";
import { suite } from "../support/suite.ts";
import { tools } from "../support/tools.ts";

const { test } = suite();

/** crictl within the node's own network: the URLs that it is given are on the node's loopback. */
function within(bench: Workbench) {
  new Crictl(bench.daemon);
  const config = `${bench.node.dir}/crictl.yaml`;
  return (script: string, ...args: string[]) =>
    bench.onNode("sh", "-c", script, "sh", tools.crictl, "--config", config, ...args);
}

for (const transport of ["spdy", "websocket"]) {
  test(`crictl exec over ${transport}`, async (bench) => {
    const crictl = within(bench);
    const { id } = await bench.run({ command: ["sleep", "600"] });
    const answer = await crictl('"$@"', "exec", "-r", transport, id, "sh", "-c", "echo out; echo err >&2");
    assertEquals([answer.code, answer.stdout], [0, "out\n"]);
    assertStringIncludes(answer.stderr, "err");
    const failing = await crictl('"$@"', "exec", "-r", transport, id, "sh", "-c", "exit 3");
    assertMatch(failing.stderr, /exit code 3/);
    const piped = await crictl('printf in | "$@"', "exec", "-i", "-r", transport, id, "cat");
    assertEquals(piped.stdout, "in");
    const missing = await crictl('"$@"', "exec", "-r", transport, id, "/no/such");
    assertMatch(missing.stderr, /\/no\/such.*(no such file|not found)/);
  });

  test(`crictl attach over ${transport}`, async (bench) => {
    const crictl = within(bench);
    const script = 'while read line; do echo "got $line"; [ "$line" = end ] && exit; done';
    const { id } = await bench.run({ command: ["sh", "-c", script], stdin: true });
    const answer = await crictl('(echo one; echo end; sleep 2) | "$@"', "attach", "-i", "-r", transport, id);
    assertEquals(answer.stdout, "got one\ngot end\n");
    await bench.exited(id);
  });

  test(`crictl port-forward over ${transport}`, async (bench) => {
    const crictl = within(bench);
    const { id, sandbox } = await bench.run({ command: ["sh", "-c", "while :; do echo hello | nc -l -p 7000; done"] });
    await waitUntil(
      "nc listens",
      async () => (await bench.sh(id, "cat /proc/net/tcp /proc/net/tcp6")).includes(":1B58 "),
    );
    const script = `"$@" & forward=$!
      for round in 1 2 3 4 5 6 7 8 9 10; do sleep 0.3; busybox nc 127.0.0.1 7001 </dev/null && break; done
      kill $forward`;
    const answer = await crictl(script, "port-forward", "-r", transport, sandbox.id, "7001:7000");
    assertStringIncludes(answer.stdout, "hello");
  });
}
