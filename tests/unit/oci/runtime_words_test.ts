import { assertEquals } from "@std/assert";
import { lastError, lastWords } from "../../../src/oci/runtime_words.ts";

const log = `{"level":"warning","msg":"careful","time":"t"}
{"level":"error","msg":"first","time":"t"}
{"level":"error","msg":"exec failed: \\"x\\"","time":"t"}
{"level":"info","msg":"later","time":"t"}
`;

Deno.test("lastError() finds the last error of a JSON log", () => assertEquals(lastError(log), 'exec failed: "x"'));

Deno.test("lastError() is undefined for a log without errors, cut short, or of something else", () => {
  for (const text of ["", '{"level":"warning","msg":"x"}', '{"level":"error","ms', "error: x", '{"level":"error"}']) {
    assertEquals(lastError(text), undefined);
  }
});

Deno.test("lastWords() falls back to the last line", () => {
  assertEquals(lastWords(log), 'exec failed: "x"');
  assertEquals(lastWords("a\nb\n\n"), "b");
  assertEquals(lastWords(""), "");
});

Deno.test("lastWords() cuts what is endless", () => assertEquals(lastWords("x".repeat(1 << 20)).length, 2001));
