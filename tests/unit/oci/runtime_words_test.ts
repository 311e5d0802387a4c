import { assertEquals } from "@std/assert";
import { lastError, lastWords, saysNoProgram } from "../../../src/oci/runtime_words.ts";

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

Deno.test("saysNoProgram() knows the words of runc and crun for a program that is not there, and no others", () => {
  for (
    const words of [
      'unable to start container process: exec: "nope": executable file not found in $PATH',
      'unable to start container process: error during container init: exec: "/no": stat /no: no such file or directory',
      "executable file `nope` not found in $PATH: No such file or directory",
    ]
  ) {
    assertEquals(saysNoProgram(words), true, words);
  }
  for (
    const words of [
      'error mounting "/no/source" to rootfs at "/v": stat /no/source: no such file or directory',
      'exec: "/bin/noexec": permission denied',
      "open executable: Permission denied",
    ]
  ) {
    assertEquals(saysNoProgram(words), false, words);
  }
});
