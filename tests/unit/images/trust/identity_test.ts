import { assertEquals } from "@std/assert";
import { identityMismatch } from "../../../../src/images/trust/identity.ts";
import type { SignedIdentity } from "../../../../src/images/trust/types.ts";

const DIGEST = `sha256:${"1".repeat(64)}`;
const OTHER = `sha256:${"2".repeat(64)}`;

function accepts(identity: SignedIdentity, wanted: string, signed: string): boolean {
  return identityMismatch(identity, wanted, signed) === undefined;
}

Deno.test("identityMismatch() of every kind of identity", () => {
  const exact: SignedIdentity = { type: "matchExact" };
  const usual: SignedIdentity = { type: "matchRepoDigestOrExact" };
  const repository: SignedIdentity = { type: "matchRepository" };
  const cases: [SignedIdentity, string, string, boolean][] = [
    [exact, "h.io/a:1", "h.io/a:1", true],
    [exact, "h.io/a:1", "h.io/a:2", false],
    [exact, "h.io/a:latest", "h.io/a", false],
    [exact, `h.io/a@${DIGEST}`, "h.io/a:1", false],
    [exact, `h.io/a@${DIGEST}`, `h.io/a@${DIGEST}`, true],
    [exact, "docker.io/library/busybox:1", "busybox:1", true],
    [usual, "h.io/a:1", "h.io/a:1", true],
    [usual, "h.io/a:1", "h.io/a:2", false],
    [usual, "h.io/a:latest", "h.io/a", false],
    [usual, `h.io/a@${DIGEST}`, "h.io/a:2", true],
    [usual, `h.io/a@${DIGEST}`, `h.io/a@${OTHER}`, true],
    [usual, `h.io/a@${DIGEST}`, "h.io/b:2", false],
    [repository, "h.io/a:1", "h.io/a", true],
    [repository, "h.io/a:1", "h.io/a/b:1", false],
    [{ type: "exactReference", reference: "v.io/a:1" }, "h.io/x:9", "v.io/a:1", true],
    [{ type: "exactReference", reference: "v.io/a:1" }, "h.io/x:9", "h.io/x:9", false],
    [{ type: "exactReference", reference: "v.io/a" }, "h.io/x:9", "v.io/a", false],
    [{ type: "exactRepository", repository: "v.io/a" }, "h.io/x:9", "v.io/a:7", true],
    [{ type: "exactRepository", repository: "v.io/a" }, "h.io/x:9", "v.io/b:7", false],
    [{ type: "remapIdentity", prefix: "h.io/mirror", signedPrefix: "v.io/a" }, "h.io/mirror/x:1", "v.io/a/x:1", true],
    [
      { type: "remapIdentity", prefix: "h.io/mirror", signedPrefix: "v.io/a" },
      "h.io/mirrors/x:1",
      "v.io/as/x:1",
      false,
    ],
    [{ type: "remapIdentity", prefix: "h.io/mirror", signedPrefix: "v.io/a" }, "h.io/x:1", "h.io/x:1", true],
    [{ type: "remapIdentity", prefix: "h.io", signedPrefix: "v.io:5000" }, "h.io:99/x:1", "v.io:5000:99/x:1", false],
    [exact, "h.io/a:1", "H.io/A:1", false],
    [exact, "h.io/a:1", "", false],
  ];
  for (const [identity, wanted, signed, expected] of cases) {
    assertEquals(accepts(identity, wanted, signed), expected, JSON.stringify([identity, wanted, signed]));
  }
});

Deno.test("identityMismatch() says how signatures without a tag are accepted", () => {
  const reason = identityMismatch({ type: "matchRepoDigestOrExact" }, "h.io/a:1", "h.io/a");
  assertEquals(reason?.includes('"matchRepository"'), true);
});
