import { assertEquals } from "@std/assert";
import { readReport } from "./report.ts";

Deno.test("readReport() tells what passed, what failed and why", () => {
  const xml = `<testsuites name="deno test" tests="2" failures="1" errors="0" time="3.000">
    <testsuite name="./suite.ts" tests="2" disabled="0" errors="0" failures="1">
        <testcase name="a pod&apos;s life" classname="./suite.ts" time="1.438" line="66" col="12">
        </testcase>
        <testcase name="limits" classname="./suite.ts" time="7.572" line="66" col="12">
            <failure message="Uncaught Error: 1 &lt; 2">Error: 1 &lt; 2
    at fn (file:///suite.ts:78:15)</failure>
        </testcase>
    </testsuite>
</testsuites>`;
  assertEquals(readReport(xml), [
    { name: "a pod's life", failure: "", seconds: 1.438 },
    { name: "limits", failure: "Error: 1 < 2\n    at fn (file:///suite.ts:78:15)", seconds: 7.572 },
  ]);
  assertEquals(readReport(""), []);
});
