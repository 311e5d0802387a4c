import { assert, assertEquals, assertThrows } from "@std/assert";
import { HpackDecoder } from "../../../src/rpc/hpack_decoder.ts";
import { bytesOf, concat } from "./bytes.ts";

const LIMIT = 64 * 1024;

function fieldsOf(decoder: HpackDecoder, hex: string): [string, string][] {
  return decoder.decode(bytesOf(hex)).fields.map(({ name, value }) => [name, value]);
}

function decodeOnce(hex: string): [string, string][] {
  return fieldsOf(new HpackDecoder(LIMIT), hex);
}

Deno.test("HpackDecoder.decode() decodes the representations of RFC 7541 C.2", () => {
  const decoder = new HpackDecoder(LIMIT);
  assertEquals(fieldsOf(decoder, "400a637573746f6d2d6b65790d637573746f6d2d686561646572"), [[
    "custom-key",
    "custom-header",
  ]]);
  assertEquals(decoder.tableSize, 55);
  assertEquals(decodeOnce("040c2f73616d706c652f70617468"), [[":path", "/sample/path"]]);
  assertEquals(decodeOnce("100870617373776f726406736563726574"), [["password", "secret"]]);
  assertEquals(decodeOnce("82"), [[":method", "GET"]]);
});

/** The three requests of C.3 and C.4, and the table size after each. */
const REQUESTS: [fields: [string, string][], tableSize: number][] = [
  [[[":method", "GET"], [":scheme", "http"], [":path", "/"], [":authority", "www.example.com"]], 57],
  [
    [
      [":method", "GET"],
      [":scheme", "http"],
      [":path", "/"],
      [":authority", "www.example.com"],
      ["cache-control", "no-cache"],
    ],
    110,
  ],
  [
    [
      [":method", "GET"],
      [":scheme", "https"],
      [":path", "/index.html"],
      [":authority", "www.example.com"],
      ["custom-key", "custom-value"],
    ],
    164,
  ],
];

for (
  const [section, blocks] of Object.entries({
    "C.3, requests without Huffman": [
      "828684410f7777772e6578616d706c652e636f6d",
      "828684be58086e6f2d6361636865",
      "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
    ],
    "C.4, requests with Huffman": [
      "828684418cf1e3c2e5f23a6ba0ab90f4ff",
      "828684be5886a8eb10649cbf",
      "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
    ],
  })
) {
  Deno.test(`HpackDecoder.decode() decodes RFC 7541 ${section}`, () => {
    const decoder = new HpackDecoder(LIMIT);
    blocks.forEach((block, at) => {
      const [fields, tableSize] = REQUESTS[at];
      assertEquals(fieldsOf(decoder, block), fields);
      assertEquals(decoder.tableSize, tableSize);
    });
  });
}

const DATE = "Mon, 21 Oct 2013 20:13:21 GMT";
const COOKIE = "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1";
/** The three responses of C.5 and C.6: a table of 256 bytes evicts in the second and the third. */
const RESPONSES: [fields: [string, string][], tableSize: number][] = [
  [[[":status", "302"], ["cache-control", "private"], ["date", DATE], ["location", "https://www.example.com"]], 222],
  [[[":status", "307"], ["cache-control", "private"], ["date", DATE], ["location", "https://www.example.com"]], 222],
  [
    [
      [":status", "200"],
      ["cache-control", "private"],
      ["date", DATE.replace(":21 ", ":22 ")],
      ["location", "https://www.example.com"],
      ["content-encoding", "gzip"],
      ["set-cookie", COOKIE],
    ],
    215,
  ],
];

for (
  const [section, blocks] of Object.entries({
    "C.5, responses without Huffman": [
      `4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d546e1768747470733a2f2f7777
       772e6578616d706c652e636f6d`,
      "4803333037c1c0bf",
      `88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153444a4b48514b425a58
       4f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31`,
    ],
    "C.6, responses with Huffman": [
      "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3",
      "4883640effc1c0bf",
      `88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672
       c1ab270fb5291f9587316065c003ed4ee5b1063d5007`,
    ],
  })
) {
  Deno.test(`HpackDecoder.decode() decodes RFC 7541 ${section}`, () => {
    const decoder = new HpackDecoder(LIMIT);
    blocks.forEach((block, at) => {
      const [fields, tableSize] = RESPONSES[at];
      const setTableSizeTo256 = "3fe101";
      assertEquals(fieldsOf(decoder, at === 0 ? setTableSizeTo256 + block : block), fields);
      assertEquals(decoder.tableSize, tableSize);
    });
  });
}

for (
  const [name, hex, message] of [
    ["index 0", "80", "no header table entry 0"],
    ["an index past the table", "be", "no header table entry 62"],
    ["a name index past the table", "7f00 00", "no header table entry 63"],
    ["a table size over the setting", "3fe21f", "table size 4097"],
    ["a table size update after a field", "8220", "table size update"],
    ["an integer that never ends", "ff8080808080", "too long"],
    ["an integer that is cut off", "ff80", "ends inside an integer"],
    ["a string that is cut off", "40 0a 6375", "ends inside a string"],
    ["a block that ends before its value", "40 01 61", "ends before a string"],
    ["EOS in a string", "40 01 61 84 ffffffff", "EOS"],
  ]
) {
  Deno.test(`HpackDecoder.decode() refuses ${name}`, () => {
    assertThrows(() => decodeOnce(hex), Error, message);
  });
}

Deno.test("HpackDecoder.decode() empties the table on a size update to 0", () => {
  const decoder = new HpackDecoder(LIMIT);
  fieldsOf(decoder, "400a637573746f6d2d6b65790d637573746f6d2d686561646572");
  fieldsOf(decoder, "20");
  assertEquals(decoder.tableSize, 0);
  assertThrows(() => fieldsOf(decoder, "be"), Error, "no header table entry 62");
});

Deno.test("HpackDecoder.decode() stops collecting a list at its limit, but keeps the table right", () => {
  const decoder = new HpackDecoder(200);
  const long = concat(bytesOf("40 01 61 7f 49"), new Uint8Array(200).fill(98));
  const list = decoder.decode(concat(bytesOf("82"), long));
  assertEquals([list.tooLarge, list.fields.length], [true, 1]);
  assertEquals(decoder.decode(bytesOf("be")).tooLarge, true);
  assertEquals(decoder.tableSize, 233);
});

Deno.test("HpackDecoder.decode() keeps a bomb of indexed fields small", () => {
  const decoder = new HpackDecoder(LIMIT);
  // One entry of 4000 bytes, then 60,000 references to it: 240 MB if each were copied.
  decoder.decode(concat(bytesOf("40 01 61 7f a11e"), new Uint8Array(4000).fill(98)));
  const before = Deno.memoryUsage().heapUsed;
  const list = decoder.decode(new Uint8Array(60_000).fill(0xbe));
  assert(list.tooLarge);
  assertEquals(list.fields.length, Math.floor(LIMIT / (4000 + 1 + 32)));
  assert(Deno.memoryUsage().heapUsed - before < 8 * 1024 * 1024);
});
