import { assertEquals, assertThrows } from "@std/assert";
import { PodSandboxConfig } from "../../../proto/gen/runtime/v1/api.ts";
import { Catalog, Sandbox } from "../../../src/pods/catalog.ts";
import type { SandboxRecord } from "../../../src/pods/types.ts";
import { RpcError } from "../../../src/rpc/status.ts";

const sandbox = (id: string) => new Sandbox({ id, key: id } as SandboxRecord, PodSandboxConfig.fromPartial({}));

Deno.test("Catalog.findSandbox() takes an unambiguous prefix, prefers the whole ID, and refuses an ambiguous one", () => {
  const catalog = new Catalog();
  for (const id of ["abc", "abcd", "xyz"]) catalog.addSandbox(sandbox(id));
  assertEquals(catalog.findSandbox("x")?.id, "xyz");
  assertEquals(catalog.findSandbox("abc")?.id, "abc");
  assertEquals(catalog.findSandbox("q"), undefined);
  assertEquals(catalog.findSandbox(""), undefined);
  assertThrows(() => catalog.findSandbox("ab"), RpcError, "more than one");
  assertThrows(() => catalog.sandbox("q"), RpcError, "not found");
});
