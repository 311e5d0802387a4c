import { assertEquals, assertMatch } from "@std/assert";
import { CgroupDriver } from "../../proto/gen/runtime/v1/api.ts";
import { onSkiff } from "../support/runtime_under_test.ts";
import { suite } from "../support/suite.ts";

const { test } = suite();

test("Version() names the runtime, its version and API v1", async ({ client }) => {
  const reply = await client.version({ version: "v1" });
  assertEquals(reply.version, "0.1.0");
  assertEquals(reply.runtimeName, onSkiff ? "skiff" : "containerd");
  assertEquals(reply.runtimeApiVersion, "v1");
  assertMatch(reply.runtimeVersion, /^v?\d+\.\d+\.\d+/);
});

test("Status() is ready, and names a handler for every runtime and the default", async ({ client }) => {
  const { status, runtimeHandlers } = await client.status({});
  const conditions = Object.fromEntries(status!.conditions.map((condition) => [condition.type, condition.status]));
  assertEquals(conditions.RuntimeReady, true);
  assertEquals(conditions.NetworkReady, true);
  assertEquals(runtimeHandlers.map((handler) => handler.name).sort(), ["", "crun", "runc"]);
});

test("RuntimeConfig() answers the cgroup driver", async ({ client }) => {
  assertEquals((await client.runtimeConfig({})).linux?.cgroupDriver, CgroupDriver.CGROUPFS);
});

test("UpdateRuntimeConfig() takes any list of pod CIDRs", async ({ client }) => {
  await client.updateRuntimeConfig({ runtimeConfig: { networkConfig: { podCidr: "10.1.0.0/16,fd00::/64" } } });
  await client.updateRuntimeConfig({});
});
