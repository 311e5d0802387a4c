import { assertEquals, assertMatch } from "@std/assert";
import type { Spec } from "./ginkgo_report.ts";
import { faults, reasons, skipPattern, summary } from "./verdict.ts";

const spec = (name: string, outcome: Spec["outcome"], reason = ""): Spec => ({ name, outcome, reason, seconds: 1 });
const list = [{ part: "needs a cloud", count: 1, why: "there is none" }];

Deno.test("summary() counts what did not run once, whoever left it out", () => {
  const specs = [spec("a", "passed"), spec("b", "failed"), spec("c", "skipped"), spec("d", "deselected")];
  assertEquals(summary({ specs, seconds: 7 }), "1 passed, 1 failed, 2 not run, in 7 s");
});

Deno.test("faults() is empty when all specs passed or are listed", () => {
  assertEquals(faults([spec("a", "passed"), spec("Volume needs a cloud", "deselected")], list), []);
});

Deno.test("faults() names what failed, with the first lines of why", () => {
  const [line] = faults([spec("a", "failed", "one\n\ntwo"), spec("needs a cloud", "skipped")], list);
  assertEquals(line, "failed: a\n    one\n    two");
});

Deno.test("faults() names a spec that did not run and has no reason", () => {
  const specs = [spec("needs a cloud", "skipped"), spec("b", "skipped", "no GPU"), spec("c", "deselected")];
  assertEquals(faults(specs, list), [
    "not run, and no reason is known: b: no GPU",
    "not run, and no reason is known: c",
  ]);
});

Deno.test("faults() names a reason that is no spec's, or that of more specs than it says", () => {
  assertMatch(faults([], list)[0], /names of 0 specs, not of 1$/);
  const two = [spec("a needs a cloud", "skipped"), spec("b needs a cloud", "skipped")];
  assertMatch(faults(two, list)[0], /names of 2 specs, not of 1$/);
});

Deno.test("faults() names a reason of a spec that ran", () => {
  assertEquals(faults([spec("needs a cloud", "passed")], list), [
    '"needs a cloud" is given a reason for not being run, but ran',
  ]);
});

Deno.test("reasons() has the list's reason for each spec that did not run", () => {
  assertEquals(reasons([spec("a", "passed"), spec("x needs a cloud", "skipped", "no")], list), [
    "not run: x needs a cloud: there is none",
  ]);
});

Deno.test("skipPattern() matches the listed names and nothing else", () => {
  const pattern = new RegExp(
    skipPattern([{ part: "a *not* [b]", count: 1, why: "" }, { part: "c.d", count: 1, why: "" }]),
  );
  assertEquals(["x a *not* [b] y", "c.d", "a not b", "cxd"].map((name) => pattern.test(name)), [
    true,
    true,
    false,
    false,
  ]);
});
