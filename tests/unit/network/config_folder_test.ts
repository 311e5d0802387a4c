import { assertEquals, assertLess, assertMatch, assertStrictEquals, assertStringIncludes } from "@std/assert";
import { setTimeout as delay } from "node:timers/promises";
import { ConfigFolder } from "../../../src/network/config_folder.ts";
import { kernel } from "../../../src/sys/mod.ts";
import { list, PluginDouble, pod } from "./plugin_double.ts";

/** What the network says within a second and a bit, in which it must have seen the change. */
async function settled(double: PluginDouble, expected: RegExp) {
  const end = performance.now() + 1200;
  while (!expected.test(double.network.status().message) && performance.now() < end) await delay(20);
  assertMatch(double.network.status().message, expected);
  return double.network.status();
}

Deno.test("CniNetwork.status() sees within a second a conflist that appears, changes and goes", async () => {
  await using double = new PluginDouble(["first"]);
  double.network.start();
  assertEquals(double.network.status().ready, false);
  assertEquals(double.network.status().reason, "NetworkPluginNotReady");
  double.writeConfig("10-test.conflist", list("first"));
  assertEquals((await settled(double, /network "testnet" from 10-test.conflist/)).ready, true);
  double.writeConfig("10-test.conflist", { ...list("first"), name: "renamed" });
  assertEquals((await settled(double, /network "renamed"/)).ready, true);
  Deno.removeSync(`${double.configDir}/10-test.conflist`);
  assertEquals((await settled(double, /no CNI configuration/)).ready, false);
});

Deno.test("CniNetwork.status() is woken by a change where the folder can be watched, also before it is there", async () => {
  await using double = new PluginDouble(["first"], { watch: true });
  Deno.removeSync(double.configDir);
  double.network.start();
  Deno.mkdirSync(double.configDir);
  double.writeConfig("10-test.conflist", list("first"));
  const start = performance.now();
  await settled(double, /network "testnet" from/);
  assertLess(performance.now() - start, 500);
});

Deno.test("ConfigFolder.read() sees changes of the same length within one clock tick, and nothing where nothing changed", async () => {
  await using double = new PluginDouble([]);
  const folder = new ConfigFolder(kernel, double.configDir);
  for (let count = 100; count < 200; count++) {
    double.writeConfig("10-test.conflist", { ...list("first"), name: `n${count}` });
    assertEquals(folder.read().network?.conflist.name, `n${count}`);
  }
  const state = folder.read();
  await delay(1100);
  assertStrictEquals(folder.read(), state);
  assertStrictEquals(folder.read(), state);
});

Deno.test("CniNetwork.status() sees a plugin and a folder that come later", async () => {
  await using double = new PluginDouble([]);
  Deno.removeSync(double.configDir);
  double.network.start();
  await settled(double, /no CNI configuration/);
  Deno.mkdirSync(double.configDir);
  double.writeConfig("10-test.conflist", list("first"));
  await settled(double, /needs "first", which is in none of the plugin folders/);
  double.install("first");
  assertEquals((await settled(double, /network "testnet" from/)).ready, true);
});

Deno.test("CniNetwork.status() takes the first valid file by name and names those that it could not use", async () => {
  await using double = new PluginDouble(["first"]);
  double.writeConfig("05-broken.conflist", "{");
  double.writeConfig("07-evil.conf", { cniVersion: "1.0.0", name: "evil", type: "../first" });
  double.writeConfig("10-a.conflist", { ...list("first"), name: "a" });
  double.writeConfig("20-b.conflist", { ...list("first"), name: "b" });
  double.writeConfig("01-c.txt", list("first"));
  double.writeConfig(".02-hidden.conflist", list("first"));
  Deno.mkdirSync(`${double.configDir}/00-folder.conflist`);
  Deno.symlinkSync("/nowhere", `${double.configDir}/06-dangling.json`);
  double.network.start();
  const { ready, message } = double.network.status();
  assertEquals(ready, true);
  assertMatch(message, /^network "a" from 10-a.conflist \(not usable: 05-broken.conflist: it is not JSON/);
  assertStringIncludes(message, "06-dangling.json: ");
  assertStringIncludes(message, "07-evil.conf: ");
});

Deno.test("CniNetwork.status() does not wait on a fifo, nor read a file without end", async () => {
  await using double = new PluginDouble(["first"]);
  await new Deno.Command("mkfifo", { args: [`${double.configDir}/01-fifo.conflist`] }).output();
  Deno.symlinkSync("/dev/zero", `${double.configDir}/02-zero.conflist`);
  double.network.start();
  const { ready, message } = double.network.status();
  assertEquals(ready, false);
  assertStringIncludes(message, "01-fifo.conflist: ");
  assertStringIncludes(message, "02-zero.conflist: ");
});

Deno.test("CniNetwork logs a status once, not at every look", async () => {
  await using double = new PluginDouble(["first"]);
  double.writeConfig("10-test.conflist", list("first"));
  double.network.start();
  await delay(2000);
  assertEquals(double.log.filter((line) => line.includes("CNI network is")).length, 1);
});

Deno.test("CniNetwork.status() asks the plugins of a 1.1.0 list by STATUS, and says what they say", async () => {
  await using double = new PluginDouble(["first", "second"]);
  double.behave("second", "STATUS", `echo '{"code":50,"msg":"agent is down"}'; exit 1`);
  double.writeConfig("10-test.conflist", { ...list("first", "second"), cniVersion: "1.1.0" });
  double.network.start();
  assertEquals(double.network.status().ready, false);
  const { ready, reason } = await settled(double, /"second" failed at STATUS on network "testnet": agent is down/);
  assertEquals([ready, reason], [false, "NetworkPluginNotReady"]);
  assertEquals(double.calls(), ["STATUS first", "STATUS second"]);
  assertEquals(double.environment("first", "STATUS").CNI_CONTAINERID, undefined);
  double.behave("second", "STATUS", "exit 0");
  double.writeConfig("10-test.conflist", { ...list("first", "second"), cniVersion: "1.1.0", name: "again" });
  assertEquals((await settled(double, /network "again" from/)).ready, true);
  await double.network.add(pod(), {});
  assertEquals(double.calls().filter((call) => call.startsWith("ADD")).length, 2);
});

Deno.test("CniNetwork.status() is not held up by a plugin that never answers to STATUS, nor is its end", async () => {
  const start = performance.now();
  {
    await using double = new PluginDouble(["first"]);
    double.behave("first", "STATUS", "sleep 60");
    double.writeConfig("10-test.conflist", { ...list("first"), cniVersion: "1.1.0" });
    double.network.start();
    await settled(double, /has not yet answered to STATUS/);
    await delay(200);
  }
  assertLess(performance.now() - start, 3000);
});
