import { assertEquals, assertThrows } from "@std/assert";
import { HeaderField, HeaderTable } from "../../../src/rpc/hpack_table.ts";

/** An entry of 100 bytes as the table counts them. */
const entry = (name: string) => new HeaderField(name, "v".repeat(68 - name.length));

Deno.test("HeaderTable.at() finds static entries first, then the newest", () => {
  const table = new HeaderTable(4096);
  table.add(entry("first"));
  table.add(entry("second"));
  assertEquals([table.at(1).name, table.at(61).name], [":authority", "www-authenticate"]);
  assertEquals([table.at(62).name, table.at(63).name], ["second", "first"]);
  for (const index of [0, 64]) assertThrows(() => table.at(index), Error, `no header table entry ${index}`);
});

Deno.test("HeaderTable.add() evicts the oldest, also after thousands of entries", () => {
  const table = new HeaderTable(250);
  for (let number = 0; number < 5000; number++) table.add(entry(`n${number}`));
  assertEquals([table.length, table.size], [2, 200]);
  assertEquals([table.at(62).name, table.at(63).name], ["n4999", "n4998"]);
});

Deno.test("HeaderTable.add() is emptied by an entry larger than itself", () => {
  const table = new HeaderTable(250);
  table.add(entry("small"));
  table.add(new HeaderField("large", "v".repeat(300)));
  assertEquals([table.length, table.size], [0, 0]);
});

Deno.test("HeaderTable.resize() evicts down to the new size", () => {
  const table = new HeaderTable(1000);
  for (const name of ["a", "b", "c"]) table.add(entry(name));
  table.resize(150);
  assertEquals([table.length, table.at(62).name], [1, "c"]);
});

Deno.test("HeaderField.valid is false for names and values that HTTP/2 forbids", () => {
  for (const name of ["te", ":path", "grpc-timeout", "x_y"]) assertEquals(new HeaderField(name, "v").valid, true, name);
  for (const name of ["", "Te", "a b", "a:b", "ü", "a\n"]) assertEquals(new HeaderField(name, "v").valid, false, name);
  for (const value of ["", "a b", "ü"]) assertEquals(new HeaderField("n", value).valid, true, value);
  for (const value of [" a", "a ", "\ta", "a\nb", "a\0", "a\r"]) {
    assertEquals(new HeaderField("n", value).valid, false, JSON.stringify(value));
  }
});
