import { assertEquals } from "@std/assert";
import { Container, ListContainersResponse } from "../../../proto/gen/runtime/v1/api.ts";
import { encodeField } from "../../../src/rpc/encoded.ts";
import { concat } from "./bytes.ts";

Deno.test("encodeField() makes the bytes that the codec makes of a list", () => {
  const containers = ["a", "b".repeat(200), "c".repeat(20_000)].map((id) => Container.fromPartial({ id }));
  const parts = containers.map((container) => encodeField(1, Container.encode(container).finish()));
  assertEquals(concat(...parts), ListContainersResponse.encode({ containers }).finish());
});

Deno.test("encodeField() writes field numbers over 15 and empty messages", () => {
  assertEquals(encodeField(16, new Uint8Array()), Uint8Array.of(0x82, 0x01, 0x00));
});
