import { assertEquals } from "@std/assert";
import { difference, parseFlatKeyed, parseNumber } from "../../../src/stats/files.ts";
import { parseNetDev } from "../../../src/stats/interfaces.ts";
import { parsePsi } from "../../../src/stats/psi.ts";

const HEADING = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
`;

Deno.test("parseNetDev() reads bytes, packets, errors and drops of each interface but lo", () => {
  const text =
    `${HEADING}    lo:     100       1    0    0    0     0          0         0      100       1    0    0    0     0       0          0
  eth0: 18446744073709551615      12    3    4    5     6          7         8     2000      22   33   44   55    66      77         88
eth0.100:5 1 2 0 0 0 0 0 6 1 3 0 0 0 0 0
`;
  assertEquals(parseNetDev(text), [
    {
      name: "eth0",
      rxBytes: 18446744073709551615n,
      rxPackets: 12n,
      rxErrors: 3n,
      rxDropped: 4n,
      txBytes: 2000n,
      txPackets: 22n,
      txErrors: 33n,
      txDropped: 44n,
    },
    {
      name: "eth0.100",
      rxBytes: 5n,
      rxPackets: 1n,
      rxErrors: 2n,
      rxDropped: 0n,
      txBytes: 6n,
      txPackets: 1n,
      txErrors: 3n,
      txDropped: 0n,
    },
  ]);
});

Deno.test("parseNetDev() puts the pod's own interface first, and tells of no more than 64", () => {
  const counters = "1 ".repeat(16);
  const others = Array.from({ length: 200 }, (_, index) => `  tun${index}:${counters}\n`).join("");
  const usages = parseNetDev(`${HEADING}${others}  eth0:${counters}\n`);
  assertEquals([usages.length, usages[0].name, usages[1].name], [64, "eth0", "tun0"]);
});

Deno.test("parseNetDev() leaves out names that are not UTF-8, which may look the same", () => {
  const counters = "1 ".repeat(16);
  assertEquals(parseNetDev(`${HEADING}  a\ufffd:${counters}\n  a\ufffd:${counters}\n`), []);
});

Deno.test("parseNetDev() skips lines that are cut short", () => {
  assertEquals(parseNetDev(`${HEADING}  eth0: 1 2 3\n  eth1\n: 1 2\n`), []);
  assertEquals(parseNetDev(""), []);
});

Deno.test("parsePsi() turns microseconds into nanoseconds", () => {
  const text = "some avg10=1.50 avg60=0.25 avg300=0.00 total=12345\nfull avg10=0.10 avg60=0.00 avg300=0.00 total=7\n";
  assertEquals(parsePsi(text), {
    some: { avg10: 1.5, avg60: 0.25, avg300: 0, total: 12345000n },
    full: { avg10: 0.1, avg60: 0, avg300: 0, total: 7000n },
  });
});

Deno.test("parsePsi() takes a missing full line, as old kernels write cpu.pressure, for zero", () => {
  const psi = parsePsi("some avg10=0.00 avg60=0.00 avg300=0.00 total=1\n");
  assertEquals(psi?.full, { avg10: 0, avg60: 0, avg300: 0, total: 0n });
  assertEquals(parsePsi(""), undefined);
});

Deno.test("parseFlatKeyed() gives the keys asked for and no others", () => {
  assertEquals(parseFlatKeyed("anon 5\nanon_thp 6\nbad x\nfile 7\n", "anon", "bad", "none"), { anon: 5n });
  assertEquals(parseFlatKeyed(undefined, "anon"), {});
});

Deno.test("parseNumber() takes whole numbers only", () => {
  assertEquals(parseNumber("18446744073709551615\n"), 18446744073709551615n);
  for (const text of ["max\n", "", "-1", "1.5", "0x10", "1 2"]) assertEquals(parseNumber(text), undefined);
});

Deno.test("difference() is never below zero, and unknown where a part is", () => {
  assertEquals(difference(5n, 3n), 2n);
  assertEquals(difference(3n, 5n), 0n);
  assertEquals(difference(undefined, 5n), undefined);
  assertEquals(difference(5n, undefined), undefined);
});
