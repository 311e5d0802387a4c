import { assertEquals, assertThrows } from "@std/assert";
import { formatReference, parseReference } from "../../../src/images/reference.ts";
import { Code, type RpcError } from "../../../src/rpc/status.ts";

const DIGEST = `sha256:${"0123456789abcdef".repeat(4)}`;

const GOOD: [string, string][] = [
  ["busybox", "docker.io/library/busybox:latest"],
  ["busybox:1.36", "docker.io/library/busybox:1.36"],
  ["user/app", "docker.io/user/app:latest"],
  ["docker.io/busybox", "docker.io/library/busybox:latest"],
  ["index.docker.io/busybox", "docker.io/library/busybox:latest"],
  ["index.docker.io/user/app:1", "docker.io/user/app:1"],
  ["quay.io/a/b/c:v1", "quay.io/a/b/c:v1"],
  ["localhost/app", "localhost/app:latest"],
  ["localhost:5000/app", "localhost:5000/app:latest"],
  ["host:5000/app:1", "host:5000/app:1"],
  ["127.0.0.1:5000/app", "127.0.0.1:5000/app:latest"],
  ["[fd00::1]/app", "[fd00::1]/app:latest"],
  ["[fd00::1]:5000/app:1", "[fd00::1]:5000/app:1"],
  ["Registry/app", "Registry/app:latest"],
  [`busybox@${DIGEST}`, `docker.io/library/busybox@${DIGEST}`],
  [`quay.io/a/b:1@${DIGEST}`, `quay.io/a/b:1@${DIGEST}`],
  [`[::1]:5000/a@${DIGEST}`, `[::1]:5000/a@${DIGEST}`],
  ["a.b/c__d/e-f/g--h.i", "a.b/c__d/e-f/g--h.i:latest"],
  ["xn--n3h.com/app", "xn--n3h.com/app:latest"],
];

for (const [text, normalised] of GOOD) {
  Deno.test(`parseReference() reads ${text}`, () => assertEquals(formatReference(parseReference(text)), normalised));
}

const BAD: [string, RegExp][] = [
  ["", /it is empty/],
  ["UPPER/busybox/X", /repository part "X" has upper-case letters/],
  ["busyBox", /upper-case letters/],
  ["busybox:", /the tag "" is not/],
  ["busybox:-x", /the tag "-x" is not/],
  [`busybox:${"x".repeat(129)}`, /the tag "x+" is not/],
  ["a//b", /empty part/],
  ["a/", /empty part/],
  ["/a", /empty part/],
  ["a_/b", /repository part "a_"/],
  ["../../etc/passwd", /registry host ".."/],
  ["a/../b", /repository part ".."/],
  ["host:99999/app", /port 99999/],
  ["host:0/app", /port 0/],
  ["-host.com/app", /registry host "-host.com"/],
  ["[fd00::1/app", /registry host/],
  ["busybox@sha256:../..", /digest "sha256:..\/.."/],
  [`busybox@sha256:${"A".repeat(64)}`, /lower-case hex/],
  [`busybox@sha512:${"a".repeat(128)}`, /digest/],
  [`busybox@${DIGEST}0`, /digest/],
  [`busybox@${DIGEST}@${DIGEST}`, /digest/],
  ["0123456789abcdef".repeat(4), /image ID/],
  ["busy box", /repository part "busy box"/],
  ["busybox\n", /repository part/],
  [`${"a".repeat(256)}`, /longer than 255/],
  ["x".repeat(10_000), /too long/],
];

for (const [text, reason] of BAD) {
  Deno.test(`parseReference() rejects ${JSON.stringify(text.slice(0, 40))}`, () => {
    const error = assertThrows(() => parseReference(text)) as RpcError;
    assertEquals(error.code, Code.INVALID_ARGUMENT);
    assertEquals(reason.test(error.message), true, error.message);
  });
}
