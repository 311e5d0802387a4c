import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { createLogger, createMetrics, parseListen, serveMetrics } from "../../../src/observe/mod.ts";
import { Code } from "../../../src/rpc/status.ts";

const silent = createLogger({ level: "error", format: "text" });

Deno.test("createMetrics() counts calls by method and code, their time, and bytes", async () => {
  const metrics = await createMetrics({ containers: () => ({}), jobsRunning: () => 0 });
  metrics.operation("RunPodSandbox", Code.OK, 0.2);
  metrics.operation("RunPodSandbox", Code.OK, 0.02);
  metrics.operation("RunPodSandbox", Code.UNAVAILABLE, 2);
  metrics.imagePullBytes(1000);
  metrics.imagePullBytes(24);
  const text = await metrics.text();
  for (
    const line of [
      'skiff_operations_total{method="RunPodSandbox",code="OK"} 2',
      'skiff_operations_total{method="RunPodSandbox",code="UNAVAILABLE"} 1',
      'skiff_operation_seconds_bucket{le="0.25",method="RunPodSandbox"} 2',
      'skiff_operation_seconds_count{method="RunPodSandbox"} 3',
      "skiff_image_pull_bytes_total 1024",
    ]
  ) assertStringIncludes(text, `${line}\n`);
});

Deno.test("createMetrics() reads gauges at each scrape and drops a state that no container is in any more", async () => {
  let containers: Record<string, number> = { running: 2, exited: 1 };
  let files: number | undefined = 17;
  const metrics = await createMetrics({ containers: () => containers, jobsRunning: () => 4, openFiles: () => files });
  const first = await metrics.text();
  assertStringIncludes(first, 'skiff_containers{state="running"} 2\n');
  assertStringIncludes(first, "skiff_jobs_running 4\n");
  assertStringIncludes(first, "process_open_fds 17\n");
  assertStringIncludes(first, "process_resident_memory_bytes ");
  containers = { running: 3 };
  files = undefined;
  const second = await metrics.text();
  assertStringIncludes(second, 'skiff_containers{state="running"} 3\n');
  assertEquals(second.includes("exited"), false);
  assertEquals(/^process_open_fds/m.test(second), false);
});

Deno.test("the observe folder does not load the Prometheus client until metrics are created", async () => {
  const module = new URL("../../../src/observe/mod.ts", import.meta.url).href;
  const code = `import { createRequire } from "node:module";
    const { createMetrics } = await import(${JSON.stringify(module)});
    const loaded = () => Object.keys(createRequire(import.meta.url).cache).some((path) => path.includes("prom-client"));
    const before = loaded();
    await createMetrics({ containers: () => ({}), jobsRunning: () => 0 });
    console.log(before, loaded());`;
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "-q", code],
    cwd: new URL("../../..", import.meta.url),
  }).output();
  assertEquals(new TextDecoder().decode(stdout).trim(), "false true");
});

Deno.test("serveMetrics() answers GET /metrics and nothing else", async () => {
  const metrics = await createMetrics({ containers: () => ({}), jobsRunning: () => 0 });
  await using server = serveMetrics("127.0.0.1:0", metrics, silent);
  const base = `http://127.0.0.1:${server.port}`;
  const good = await fetch(`${base}/metrics`);
  assertEquals(good.status, 200);
  assertStringIncludes(good.headers.get("content-type")!, "text/plain; version=0.0.4");
  assertStringIncludes(await good.text(), "skiff_jobs_running 0");
  const root = await fetch(base);
  assertEquals(root.status, 404);
  await root.body?.cancel();
  const post = await fetch(`${base}/metrics`, { method: "POST", body: "x" });
  assertEquals(post.status, 405);
  await post.body?.cancel();
});

Deno.test("serveMetrics() answers 500 where a reader fails", async () => {
  const metrics = await createMetrics({
    containers: () => {
      throw new Error("store is closed");
    },
    jobsRunning: () => 0,
  });
  const lines: string[] = [];
  const logger = createLogger({ level: "info", format: "text", write: (line) => lines.push(line) });
  await using server = serveMetrics("127.0.0.1:0", metrics, logger);
  const response = await fetch(`http://127.0.0.1:${server.port}/metrics`);
  assertEquals(response.status, 500);
  assertEquals((await response.text()).includes("store"), false);
  assertStringIncludes(lines.join(""), "store is closed");
});

Deno.test("serveMetrics() says which setting is wrong where the address is taken", async () => {
  const metrics = await createMetrics({ containers: () => ({}), jobsRunning: () => 0 });
  await using server = serveMetrics("127.0.0.1:0", metrics, silent);
  assertThrows(() => serveMetrics(`127.0.0.1:${server.port}`, metrics, silent), Error, "metricsListen");
});

Deno.test("parseListen() takes host:port, [v6]:port and :port, and refuses the rest", () => {
  assertEquals(parseListen("localhost:9090"), { hostname: "localhost", port: 9090 });
  assertEquals(parseListen("[::1]:9090"), { hostname: "::1", port: 9090 });
  assertEquals(parseListen(":9090"), { hostname: "0.0.0.0", port: 9090 });
  for (const bad of ["", "9090", "host", "host:", "host:x", "host:65536", "::1:90", "http://h:1", "h:1/x"]) {
    assertThrows(() => parseListen(bad), Error, "metricsListen");
  }
});
