import { assertEquals } from "@std/assert";
import { LogReader } from "../../../src/cli/log_reader.ts";
import { LogSource } from "../../../src/cli/log_source.ts";
import { kernel } from "../../../src/sys/mod.ts";

kernel.exists("/");
const encoder = new TextEncoder();

function read(reader: LogReader, ...pieces: string[]): string[] {
  return [...reader.push(pieces.map((piece) => encoder.encode(piece)))].map(({ stream, text }) => `${stream}:${text}`);
}

Deno.test("LogReader takes pieces that end anywhere, also inside a character", () => {
  const bytes = encoder.encode("t stdout F grüße\nt stderr F b\n");
  const pieces = Array.from(bytes, (byte) => new Uint8Array([byte]));
  assertEquals([...new LogReader().push(pieces)].map(({ text }) => text), ["grüße\n", "b\n"]);
});

Deno.test("LogReader puts partial entries together per stream", () => {
  const reader = new LogReader();
  assertEquals(read(reader, "1 stdout P a\n2 stderr P x\n3 stdout P b\n"), []);
  assertEquals(read(reader, "4 stdout F c\n5 stderr F \n"), ["stdout:abc\n", "stderr:x\n"]);
});

Deno.test("LogReader keeps the time of the first part", () => {
  const lines = [...new LogReader().push([encoder.encode("1 stdout P a\n2 stdout F b\n")])];
  assertEquals(lines.map(({ time }) => time), ["1"]);
});

Deno.test("LogReader.rest() gives what had no line feed, once", () => {
  const reader = new LogReader();
  read(reader, "1 stdout P prompt> \n");
  assertEquals([[...reader.rest()].map(({ text }) => text), [...reader.rest()]], [["prompt> "], []]);
});

Deno.test("LogReader keeps blanks, knows further tags, and shows what is not an entry as it is", () => {
  assertEquals(read(new LogReader(), "1 stdout F   two  \n1 stdout F:x tagged\nbroken\n\n1 stdout F \n"), [
    "stdout:  two  \n",
    "stdout:tagged\n",
    "stdout:broken\n",
    "stdout:\n",
  ]);
});

Deno.test("LogSource reads what has come, and goes on in the new file after a rotation", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/0.log`;
  await Deno.writeTextFile(path, "one\n");
  {
    using source = new LogSource(kernel, path);
    const text = () => [...source.read()].map((piece) => new TextDecoder().decode(piece)).join("");
    assertEquals([text(), text()], ["one\n", ""]);
    await Deno.writeTextFile(path, "two\n", { append: true });
    await Deno.rename(path, `${path}.1`);
    assertEquals(text(), "two\n");
    await Deno.writeTextFile(`${path}.1`, "three\n", { append: true });
    await Deno.writeTextFile(path, "four\n");
    assertEquals(text(), "three\nfour\n");
  }
  await Deno.remove(folder, { recursive: true });
});
