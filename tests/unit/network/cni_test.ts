import { assert, assertEquals, assertLess, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { setTimeout as delay } from "node:timers/promises";
import { Protocol } from "../../../proto/gen/runtime/v1/api.ts";
import { Code, RpcError } from "../../../src/rpc/status.ts";
import { list, PluginDouble, pod } from "./plugin_double.ts";

const hostPort = { protocol: Protocol.TCP, containerPort: 80, hostPort: 8080, hostIp: "" };

async function failureOf(promise: Promise<unknown>): Promise<RpcError> {
  return await assertRejects(() => promise, RpcError);
}

Deno.test("CniNetwork.add() runs the plugins in order and hands each the result of the one before", async () => {
  await using double = new PluginDouble(["first", "second"]);
  double.writeConfig("10-test.conflist", list("first", "second"));
  const steps: string[] = [];
  const attachment = await double.network.add(pod({ portMappings: [hostPort] }), {
    onStep: (step) => steps.push(step),
  });
  assertEquals(double.calls(), ["ADD first", "ADD second"]);
  assertEquals(steps, ["first", "second"]);
  assertEquals(attachment.ips, ["10.0.0.5"]);
  assertEquals(attachment.networkName, "testnet");
  assertEquals(attachment.ifname, "eth0");
  assertEquals((attachment.result as any).by, "second");
  assertEquals(JSON.parse(attachment.conflist), list("first", "second"));
  const runtimeConfig = { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: "tcp" }] };
  const base = { name: "testnet", cniVersion: "1.0.0", capabilities: { portMappings: true }, runtimeConfig };
  assertEquals(double.input("first", "ADD"), { ...base, type: "first", own: "of first" });
  const prevResult = { cniVersion: "1.0.0", ips: [{ address: "10.0.0.5/24" }], by: "first" };
  assertEquals(double.input("second", "ADD"), { ...base, type: "second", own: "of second", prevResult });
});

Deno.test("CniNetwork.add() gives plugins the CNI variables, a PATH, and nothing of the daemon's environment", async () => {
  await using double = new PluginDouble(["first"]);
  double.writeConfig("10-test.conflist", list("first"));
  Deno.env.set("SKIFF_TEST_SECRET", "x");
  try {
    await double.network.add(pod(), {});
  } finally {
    Deno.env.delete("SKIFF_TEST_SECRET");
  }
  const { PWD: _pwd, SHLVL: _shlvl, _: _last, OLDPWD: _oldpwd, PATH, ...environment } = double.environment(
    "first",
    "ADD",
  );
  assertStringIncludes(PATH, "/usr/sbin");
  assertEquals(environment, {
    CNI_COMMAND: "ADD",
    CNI_CONTAINERID: "sandbox1",
    CNI_NETNS: "/run/netns/skiff-test-none",
    CNI_IFNAME: "eth0",
    CNI_ARGS:
      "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web;K8S_POD_INFRA_CONTAINER_ID=sandbox1;K8S_POD_UID=uid-1",
    CNI_PATH: `${double.root}/none:${double.pluginDir}`,
  });
});

Deno.test("CniNetwork.add() undoes all in reverse order where the second plugin fails, and says who said what", async () => {
  await using double = new PluginDouble(["first", "second", "third"]);
  double.writeConfig("10-test.conflist", list("first", "second", "third"));
  double.behave("second", "ADD", `echo '{"code":7,"msg":"no route","details":"eth0 is odd"}'; exit 1`);
  const error = await failureOf(double.network.add(pod(), {}));
  assertEquals(double.calls(), ["ADD first", "ADD second", "DEL third", "DEL second", "DEL first"]);
  assertEquals(error.code, Code.INTERNAL);
  assertEquals(
    error.message,
    'CNI plugin "second" failed at ADD of pod default/web on network "testnet": no route; eth0 is odd (CNI code 7)',
  );
  assertEquals(double.input("third", "DEL").prevResult.by, "first");
});

Deno.test("CniNetwork.add() names both errors where undoing fails, too, and still undoes the rest", async () => {
  await using double = new PluginDouble(["first", "second"]);
  double.writeConfig("10-test.conflist", list("first", "second"));
  double.behave("second", "ADD", `echo '{"code":11,"msg":"not yet"}'; exit 1`);
  double.behave("second", "DEL", `echo '{"code":100,"msg":"stuck"}'; exit 1`);
  const error = await failureOf(double.network.add(pod(), {}));
  assertEquals(double.calls(), ["ADD first", "ADD second", "DEL second", "DEL first"]);
  assertEquals(error.code, Code.UNAVAILABLE);
  assertStringIncludes(error.message, "not yet");
  assertMatch(error.message, /undoing it failed, too: CNI plugin "second" failed at DEL .*stuck/);
});

Deno.test("CniNetwork.add() shows stderr of a plugin that panics without a word on stdout", async () => {
  await using double = new PluginDouble(["first"]);
  double.writeConfig("10-test.conflist", list("first"));
  double.behave("first", "ADD", `printf 'panic: nil map\\n\\ngoroutine 1:\\n' >&2; exit 2`);
  const error = await failureOf(double.network.add(pod(), {}));
  assertStringIncludes(error.message, "it ended with code 2; stderr: panic: nil map goroutine 1:");
  double.behave("first", "ADD", `(echo panic: first line; yes gopher | head -c 100000) >&2; kill -SEGV $$`);
  const long = await failureOf(double.network.add(pod(), {}));
  assertStringIncludes(long.message, "it ended with signal 11; stderr: panic: first line");
  assertLess(long.message.length, 3000);
});

const badResults: [string, string, string][] = [
  ["no result", "exit 0", "not a JSON object"],
  ["text", "echo hello; exit 0", "not a JSON object: hello"],
  ["a list", "echo '[]'; exit 0", "not a JSON object"],
  ["an invalid address", `echo '{"ips":[{"address":"10.0.0.5; rm"}]}'; exit 0`, "invalid address"],
  ["more than the limit", "yes 0 | head -c 300000; exit 0", "larger than 262144 bytes"],
];
for (const [what, script, reason] of badResults) {
  Deno.test(`CniNetwork.add() refuses ${what} as the result, and undoes the ADD`, async () => {
    await using double = new PluginDouble(["first"]);
    double.writeConfig("10-test.conflist", list("first"));
    double.behave("first", "ADD", script);
    assertStringIncludes((await failureOf(double.network.add(pod(), {}))).message, reason);
    assertEquals(double.calls(), ["ADD first", "DEL first"]);
  });
}

Deno.test("CniNetwork.add() takes a good result together with much on stderr", async () => {
  await using double = new PluginDouble(["first"]);
  double.writeConfig("10-test.conflist", list("first"));
  double.behave("first", "ADD", "yes warning | head -c 300000 >&2");
  assertEquals((await double.network.add(pod(), {})).ips, ["10.0.0.5"]);
});

Deno.test("CniNetwork.add() kills a plugin at the timeout with what it started, and undoes with a fresh one", async () => {
  await using double = new PluginDouble(["first", "second"], { timeoutSeconds: 0.5 });
  double.writeConfig("10-test.conflist", list("first", "second"));
  double.behave("second", "ADD", `sleep 60 & echo $! > ${double.root}/child; wait`);
  const start = performance.now();
  const error = await failureOf(double.network.add(pod(), {}));
  assertLess(performance.now() - start, 5000);
  assertEquals(error.code, Code.DEADLINE_EXCEEDED);
  assertMatch(error.message, /"second" failed at ADD .*: it did not end within 0\.\d+ s/);
  assertEquals(double.calls(), ["ADD first", "ADD second", "DEL second", "DEL first"]);
  const child = Deno.readTextFileSync(`${double.root}/child`).trim();
  const state = await Deno.readTextFile(`/proc/${child}/stat`).then((stat) => stat.split(" ")[2], () => "gone");
  assert(state === "gone" || state === "Z", state);
});

Deno.test("CniNetwork.add() kills the plugin at an abort, undoes, and answers CANCELLED", async () => {
  await using double = new PluginDouble(["first"]);
  double.writeConfig("10-test.conflist", list("first"));
  double.behave("first", "ADD", "sleep 60");
  const controller = new AbortController();
  const start = performance.now();
  const adding = failureOf(double.network.add(pod(), { signal: controller.signal }));
  await delay(300);
  controller.abort();
  assertEquals((await adding).code, Code.CANCELLED);
  assertLess(performance.now() - start, 5000);
  assertEquals(double.calls(), ["ADD first", "DEL first"]);
  const late = await failureOf(double.network.add(pod(), { signal: controller.signal }));
  assertEquals(late.code, Code.CANCELLED);
  assertEquals(double.calls(), []);
});

Deno.test("CniNetwork.add() is UNAVAILABLE at once without a configuration", async () => {
  await using double = new PluginDouble([]);
  const error = await failureOf(double.network.add(pod(), {}));
  assertEquals(error.code, Code.UNAVAILABLE);
  assertStringIncludes(error.message, `no CNI configuration in ${double.configDir}`);
});

Deno.test("CniNetwork.add() runs nothing where a plugin of the list is not installed", async () => {
  await using double = new PluginDouble(["first"]);
  double.writeConfig("10-test.conflist", list("first", "absent"));
  const error = await failureOf(double.network.add(pod(), {}));
  assertEquals(error.code, Code.UNAVAILABLE);
  assertStringIncludes(error.message, '"absent"');
  assertEquals(double.calls(), []);
});

Deno.test("CniNetwork.add() refuses values that would smuggle variables into CNI_ARGS, before any plugin runs", async () => {
  await using double = new PluginDouble(["first"]);
  double.writeConfig("10-test.conflist", list("first"));
  for (const bad of [{ name: "web;IP=10.0.0.1" }, { namespace: "a=b" }, { uid: "a\nb" }, { sandboxId: "../x" }]) {
    assertEquals((await failureOf(double.network.add(pod(bad), {}))).code, Code.INVALID_ARGUMENT);
  }
  assertEquals(double.calls(), []);
});

Deno.test("CniNetwork.add() warns of host ports that no plugin of the network opens", async () => {
  await using double = new PluginDouble(["first"]);
  double.writeConfig("10-test.conflist", { cniVersion: "1.0.0", name: "plain", plugins: [{ type: "first" }] });
  await double.network.add(pod({ portMappings: [{ ...hostPort, hostPort: 0 }] }), {});
  assertEquals(double.log.some((line) => line.includes("host ports")), false);
  await double.network.add(pod({ sandboxId: "s2", portMappings: [hostPort] }), {});
  assertStringIncludes(double.log.join(""), "host ports of the pod are not open");
});

Deno.test("CniNetwork.del() uses the list and the result of the ADD, in reverse, without a netns that is gone", async () => {
  await using double = new PluginDouble(["first", "second"]);
  double.writeConfig("10-test.conflist", list("first", "second"));
  const attachment = await double.network.add(pod(), {});
  double.writeConfig("10-test.conflist", { cniVersion: "0.3.1", name: "other", plugins: [{ type: "absent" }] });
  const stored = JSON.parse(JSON.stringify(attachment));
  for (let count = 0; count < 2; count++) {
    double.calls();
    await double.network.del(pod(), stored);
    assertEquals(double.calls(), ["DEL second", "DEL first"]);
  }
  assertEquals(double.input("first", "DEL").prevResult, attachment.result);
  assertEquals(double.input("first", "DEL").name, "testnet");
  assertEquals(double.environment("first", "DEL").CNI_NETNS, "");
});

Deno.test("CniNetwork.del() stops at the plugin that fails, so that no address is free while a port leads to it", async () => {
  await using double = new PluginDouble(["first", "second"]);
  double.writeConfig("10-test.conflist", list("first", "second"));
  const attachment = await double.network.add(pod(), {});
  double.calls();
  double.behave("second", "DEL", `echo '{"code":100,"msg":"iptables is locked"}'; exit 1`);
  const error = await failureOf(double.network.del(pod(), attachment));
  assertStringIncludes(error.message, '"second" failed at DEL');
  assertEquals(double.calls(), ["DEL second"]);
});

Deno.test("CniNetwork.del() without an attachment tries the present list, and only logs what fails", async () => {
  await using double = new PluginDouble(["first", "second"]);
  await double.network.del(pod(), undefined);
  assertEquals(double.calls(), []);
  double.writeConfig("10-test.conflist", list("first", "second"));
  double.behave("second", "DEL", "exit 3");
  await double.network.del(pod(), undefined);
  assertEquals(double.calls(), ["DEL second", "DEL first"]);
  assertEquals(double.input("first", "DEL").prevResult, undefined);
  assertStringIncludes(double.log.join(""), "it ended with code 3");
});

Deno.test("CniNetwork.del() falls back to the present list where the stored one cannot be read", async () => {
  await using double = new PluginDouble(["first"]);
  double.writeConfig("10-test.conflist", list("first"));
  await double.network.del(pod(), { networkName: "x", ifname: "eth0", conflist: "{", result: {}, ips: [] });
  assertEquals(double.calls(), ["DEL first"]);
  assertStringIncludes(double.log.join(""), "stored with a pod cannot be read");
});

Deno.test("CniNetwork.del() gives plugins older than 0.4.0 no result", async () => {
  await using double = new PluginDouble(["first"]);
  double.writeConfig("10-test.conf", { cniVersion: "0.3.1", name: "old", type: "first" });
  const attachment = await double.network.add(pod(), {});
  await double.network.del(pod(), attachment);
  assertEquals(double.input("first", "DEL").prevResult, undefined);
});

Deno.test("CniNetwork runs one pod's ADD and DEL one after the other, and different pods at once", async () => {
  await using double = new PluginDouble(["first"]);
  double.writeConfig("10-test.conflist", list("first"));
  double.behave("first", "ADD", `sleep 0.3; echo "END $CNI_CONTAINERID" >> "$here/calls"`);
  const start = performance.now();
  await Promise.all([
    double.network.add(pod(), {}),
    double.network.del(pod(), undefined),
    double.network.add(pod({ sandboxId: "sandbox2" }), {}),
    double.network.add(pod({ sandboxId: "sandbox3" }), {}),
  ]);
  assertLess(performance.now() - start, 3000);
  const calls = double.calls();
  assertEquals(calls.slice(0, 3), ["ADD first", "ADD first", "ADD first"]);
  assertLess(calls.indexOf("END sandbox1"), calls.indexOf("DEL first"));
});
