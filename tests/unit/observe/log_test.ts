import { assert, assertEquals, assertFalse, assertMatch, assertStringIncludes } from "@std/assert";
import { createLogger, type LoggerOptions } from "../../../src/observe/mod.ts";
import { Code, RpcError } from "../../../src/rpc/status.ts";

function capture(options: Omit<LoggerOptions, "write">) {
  const lines: string[] = [];
  return { lines, logger: createLogger({ ...options, write: (line) => lines.push(line) }) };
}

Deno.test("createLogger() writes text with an RFC 3339 time in milliseconds, the level, and quoted fields", () => {
  const { lines, logger } = capture({ level: "info", format: "text" });
  logger.info("pod is running", { pod: "default/web", took: 1.5, note: "two words", labels: { app: "web" } });
  assertEquals(lines.length, 1);
  assertMatch(
    lines[0],
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO {2}pod is running pod=default\/web took=1.5 note="two words" labels=\{"app":"web"\}\n$/,
  );
});

Deno.test("createLogger() writes JSON that keeps types and cannot be made to lie about time, level or message", () => {
  const { lines, logger } = capture({ level: "debug", format: "json" });
  logger.warn("slow", { seconds: 3, big: 2n ** 64n, level: "debug", message: "other" });
  const { time, ...rest } = JSON.parse(lines[0]);
  assertMatch(time, /^\d{4}-.*\.\d{3}Z$/);
  assertEquals(rest, {
    level: "warn",
    message: "slow",
    seconds: 3,
    big: "18446744073709551616",
    field_level: "debug",
    field_message: "other",
  });
});

Deno.test("createLogger() leaves out what is below the level, also after the level changed", () => {
  const { lines, logger } = capture({ level: "warn", format: "text" });
  const child = logger.with({ part: "cni" });
  child.info("hidden");
  child.warn("shown");
  logger.level = "debug";
  child.debug("now shown");
  assertEquals(lines.map((line) => line.replace(/^\S+ \w+ +/, "")), ["shown part=cni\n", "now shown part=cni\n"]);
});

for (const format of ["text", "json"] as const) {
  Deno.test(`createLogger() keeps ${format} on one line and free of control characters`, () => {
    const { lines, logger } = capture({ level: "info", format });
    const hostile = "a\nb\r\x1b[31mred\x07\x7f\x9b\u2028\u202eevil\0";
    logger.info(hostile, { [hostile]: hostile, error: new Error(hostile) });
    // deno-lint-ignore no-control-regex
    assertFalse(/[\x00-\x1f\x7f-\x9f\u2028\u202e]/.test(lines[0].slice(0, -1)));
    assert(lines[0].endsWith("\n"));
  });

  Deno.test(`createLogger() never writes secrets in ${format}`, () => {
    const { lines, logger } = capture({ level: "info", format });
    logger.info("pull", {
      password: "hunter2",
      request: { auth: { username: "u", identityToken: "hunter2" }, headers: [{ Authorization: "hunter2" }] },
      registry_token: "hunter2",
      author: "someone",
    });
    assertFalse(lines[0].includes("hunter2"));
    assertStringIncludes(lines[0], "[redacted]");
    assertStringIncludes(lines[0], "someone");
  });
}

Deno.test("createLogger() writes the chain of causes of an error", () => {
  const { lines, logger } = capture({ level: "info", format: "json" });
  const error = new RpcError(Code.INTERNAL, "Cannot start", { cause: new Error("mount", { cause: "EINVAL" }) });
  logger.error("failed", { error });
  assertEquals(JSON.parse(lines[0]).error, "Cannot start: mount: EINVAL");
});

Deno.test("createLogger() survives causes and fields that lead back to themselves, and cuts what is huge", () => {
  const { lines, logger } = capture({ level: "info", format: "json" });
  const error = new Error("loop");
  error.cause = error;
  const field: Record<string, unknown> = {};
  field.self = field;
  logger.info("m".repeat(1e6), { error, field, long: "x".repeat(1e6), bytes: new Uint8Array(1e6) });
  assert(lines[0].length < 30_000, `${lines[0].length} characters`);
  assertEquals(JSON.parse(lines[0]).bytes, "<1000000 bytes>");
});

Deno.test("createLogger() shows what AggregateError and SuppressedError hold", () => {
  const { lines, logger } = capture({ level: "info", format: "json" });
  logger.info("a", { error: new AggregateError([new Error("one"), new Error("two")], "both") });
  logger.info("b", { error: new SuppressedError(new Error("cleanup"), new Error("original"), "undo failed") });
  assertEquals(JSON.parse(lines[0]).error, "both: one; two");
  assertEquals(JSON.parse(lines[1]).error, "undo failed: cleanup, after original");
});

Deno.test("createLogger() adds the stack to a programming error", () => {
  const { lines, logger } = capture({ level: "info", format: "json" });
  logger.error("bug", { error: new TypeError("x is undefined") });
  assertStringIncludes(JSON.parse(lines[0]).error, "log_test.ts");
});

Deno.test("createLogger() writes to standard error unless told otherwise", async () => {
  const module = new URL("../../../src/observe/mod.ts", import.meta.url).href;
  const code = `import { createLogger } from ${JSON.stringify(module)};
    createLogger({ level: "info", format: "text" }).info("hello");`;
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), { args: ["eval", "-q", code] }).output();
  assertEquals(stdout.length, 0);
  assertMatch(new TextDecoder().decode(stderr), /INFO {2}hello\n$/);
});
