import { assertEquals } from "@std/assert";
import { parseReference } from "../../../../src/images/reference.ts";
import { checkScope, scopesOf, wildcardsOf } from "../../../../src/images/trust/scope.ts";

Deno.test("scopesOf() goes from the whole name to the registry", () => {
  assertEquals(scopesOf(parseReference("busybox")), [
    "docker.io/library/busybox:latest",
    "docker.io/library/busybox",
    "docker.io/library",
    "docker.io",
  ]);
  const digest = `sha256:${"0".repeat(64)}`;
  assertEquals(scopesOf(parseReference(`host:5000/a:1@${digest}`)), [
    `host:5000/a@${digest}`,
    "host:5000/a",
    "host:5000",
  ]);
});

Deno.test("wildcardsOf() takes labels away from the left, and the port", () => {
  assertEquals(wildcardsOf(parseReference("a.b.example.com:5000/x")), ["*.b.example.com", "*.example.com", "*.com"]);
  assertEquals(wildcardsOf(parseReference("localhost/x")), []);
  assertEquals(wildcardsOf(parseReference("[::1]:5000/x")), []);
});

Deno.test("checkScope() tells scopes from other text", () => {
  for (
    const scope of [
      "docker.io",
      "a.b:5000/x/y",
      "a/b:1",
      `a/b@sha256:${"a".repeat(64)}`,
      "*.example.com",
      "[::1]:5000/x",
    ]
  ) {
    assertEquals(checkScope(scope), undefined, scope);
  }
  for (const scope of ["*", "*.", "*.com/a", "a*.com", "a/", "/a", "a/B", "a b", "a/../b:x y", "a@sha256:00"]) {
    assertEquals(typeof checkScope(scope), "string", scope);
  }
});
