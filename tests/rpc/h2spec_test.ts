import { assertEquals } from "@std/assert";
import { h2spec } from "./build.ts";
import { forward, startServer } from "./rig.ts";

/** Cases that fail, each with the reason why that is right. There are none. */
const EXPECTED_FAILURES: Record<string, string> = {};

interface Report {
  tests: number;
  skipped: string[];
  failed: string[];
}

/** The cases of h2spec's JUnit report, by section and description. */
function parseReport(xml: string): Report {
  const report: Report = { tests: 0, skipped: [], failed: [] };
  for (const [, attributes, body = ""] of xml.matchAll(/<testcase ([^>]*?)(?:\/>|>(.*?)<\/testcase>)/gs)) {
    report.tests++;
    const name = `${/package="([^"]*)"/.exec(attributes)?.[1]}: ${/classname="([^"]*)"/.exec(attributes)?.[1]}`;
    if (body.includes("<skipped")) report.skipped.push(name);
    else if (body.includes("<failure") || body.includes("<error")) report.failed.push(name);
  }
  return report;
}

Deno.test("h2spec: the server passes the HTTP/2 and HPACK conformance cases", async () => {
  const tool = await h2spec();
  await using server = await startServer();
  await using port = forward(server.socket);
  const report = await Deno.makeTempFile({ suffix: ".xml" });
  try {
    await new Deno.Command(tool, {
      args: ["-h", "127.0.0.1", "-p", String(port.port), "-o", "2", "-j", report]
        .concat(["-P", "/runtime.v1.RuntimeService/Version", "generic", "http2", "hpack"]),
      stdout: "null",
    }).output();
    const { tests, skipped, failed } = parseReport(await Deno.readTextFile(report));
    console.log(`h2spec: ${tests} cases, ${skipped.length} skipped, ${failed.length} failed`);
    assertEquals(failed, Object.keys(EXPECTED_FAILURES));
    assertEquals(tests >= 145, true, `h2spec has 145 cases, only ${tests} ran`);
  } finally {
    await Deno.remove(report);
  }
});
