import { assertEquals } from "@std/assert";
import { age, duration, humanSize, shortId, timestamp } from "../../../src/cli/format.ts";
import { oneLine, parseInfo, printJson, printTable } from "../../../src/cli/print.ts";
import { Collected } from "./support.ts";

Deno.test("humanSize() counts in thousands with three digits", () => {
  const sizes = [
    0,
    999,
    1000,
    1234,
    12_345,
    123_456,
    999_499,
    999_500,
    1_500_000,
    4_260_000_000n,
    7_000_000_000_000_000_000n,
  ];
  assertEquals(sizes.map(humanSize), [
    "0B",
    "999B",
    "1.00kB",
    "1.23kB",
    "12.3kB",
    "123kB",
    "999kB",
    "1.00MB",
    "1.50MB",
    "4.26GB",
    "7000PB",
  ]);
});

Deno.test("age() takes the largest unit that gives at least two", () => {
  const seconds = (count: number) => age(1n, 1n + BigInt(count) * 1_000_000_000n);
  assertEquals([0, 119, 120, 7199, 7200, 172_799, 172_800, 864_000].map(seconds), [
    "0s",
    "119s",
    "2m",
    "119m",
    "2h",
    "47h",
    "2d",
    "10d",
  ]);
  assertEquals(age(0n), "-");
  assertEquals(age(100n, 1n), "0s");
});

Deno.test("duration() goes from tenths of milliseconds to seconds", () => {
  assertEquals([0, 1_540_000, 99_900_000, 100_000_000n, 999_000_000, 1_234_000_000].map(duration), [
    "0.0ms",
    "1.5ms",
    "99.9ms",
    "100ms",
    "999ms",
    "1.23s",
  ]);
});

Deno.test("shortId() drops the algorithm and cuts, unless the whole is asked for", () => {
  const id = `sha256:${"0123456789abcdef".repeat(4)}`;
  assertEquals([shortId(id), shortId(id, true), shortId("abc")], ["0123456789abc", id, "abc"]);
});

Deno.test("timestamp() is RFC 3339, and a dash for never", () => {
  assertEquals([timestamp(1_700_000_000_123_456_789n), timestamp(0n)], ["2023-11-14T22:13:20.123Z", "-"]);
});

Deno.test("printTable() aligns columns and leaves no blanks at the end of a line", () => {
  const terminal = new Collected();
  printTable(terminal, ["id", "name", "why"], [["1", "long name", ""], ["22", "x", "y\nz"]]);
  assertEquals(terminal.text.out, "ID  NAME       WHY\n1   long name\n22  x          y�z\n");
});

Deno.test("oneLine() keeps what could move the cursor out of the terminal", () => {
  assertEquals(oneLine("a\x1b[2Jb\r\nc\u009bd"), "a�[2Jb��c�d");
});

Deno.test("printJson() writes 64-bit numbers and bytes", () => {
  const terminal = new Collected();
  printJson(terminal, { small: 5n, large: 9_007_199_254_740_993n, bytes: new Uint8Array([1, 2]), none: undefined });
  assertEquals(JSON.parse(terminal.text.out), { small: 5, large: "9007199254740993", bytes: "AQI=" });
});

Deno.test("parseInfo() parses values that are JSON and keeps the others", () => {
  assertEquals(parseInfo({ a: '{"b":1}', c: "text" }), { a: { b: 1 }, c: "text" });
});
