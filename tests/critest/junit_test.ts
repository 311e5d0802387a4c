import { assertEquals } from "@std/assert";
import { readJUnit } from "./junit.ts";

const report = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="6"><testsuite name="CRI validation">
  <testcase name="[BeforeSuite]" classname="CRI validation" status="passed" time="0.1"></testcase>
  <testcase name="[It] [k8s.io] Runtime info should return &#34;version&#34; info [Conformance] [Serial]" status="passed" time="0.5">
    <system-err>&gt; Enter [It]</system-err>
  </testcase>
  <testcase name="[It] [k8s.io] Networking should  fail" status="failed" time="2">
    <failure message="short" type="failed">[FAILED] a &lt; b&#xA;at x.go:1</failure>
  </testcase>
  <testcase name="[It] [k8s.io] AppArmor should work" status="skipped" time="0">
    <skipped message="skipped - AppArmor is disabled on this host"></skipped>
  </testcase>
  <testcase name="[It] [k8s.io] Image benchmark" status="skipped" time="0"><skipped message="skipped"></skipped></testcase>
  <testcase name="[It] [k8s.io] Streaming hangs" status="timedout" time="3"><error message="timed out" type="timedout"></error></testcase>
</testsuite></testsuites>`;

Deno.test("readJUnit() tells passed, failed, skipped and deselected specs apart", () => {
  assertEquals(readJUnit(report), [
    { name: 'Runtime info should return "version" info', outcome: "passed", reason: "", seconds: 0.5 },
    { name: "Networking should fail", outcome: "failed", reason: "[FAILED] a < b\nat x.go:1", seconds: 2 },
    { name: "AppArmor should work", outcome: "skipped", reason: "AppArmor is disabled on this host", seconds: 0 },
    { name: "Image benchmark", outcome: "deselected", reason: "", seconds: 0 },
    { name: "Streaming hangs", outcome: "failed", reason: "timed out", seconds: 3 },
  ]);
});

Deno.test("readJUnit() counts the set-up of the whole suite where it failed", () => {
  const specs = readJUnit(
    `<testcase name="[BeforeSuite]" status="failed" time="1"><failure message="no daemon"/></testcase>`,
  );
  assertEquals(specs, [{ name: "[BeforeSuite]", outcome: "failed", reason: "no daemon", seconds: 1 }]);
});
