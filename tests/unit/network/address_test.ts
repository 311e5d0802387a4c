import { assertEquals } from "@std/assert";
import { isAddress } from "../../../src/network/mod.ts";

const valid = ["0.0.0.0", "10.1.2.3", "255.255.255.255", "::", "::1", "1::", "fe80::1", "2001:db8:0:0:1:0:0:1"];
valid.push("::ffff:10.0.0.1", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:10.0.0.1", "1:2:3:4:5:6:7::", "FD00::A");
const invalid = ["", "1", "10.1.2", "10.1.2.3.4", "10.1.2.256", "010.1.2.3", "10.1.2.3/24", " 10.1.2.3", "10.1.2.3\n"];
invalid.push("a.b.c.d", ":", ":::", "1:", ":1", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::");
invalid.push("12345::", "fe80::1%eth0", "[::1]", "g::", "10.0.0.1::", "::10.0.0.1:1", "::1.2.3", "-1.0.0.0");

Deno.test("isAddress() takes IPv4 and IPv6 addresses and nothing else", () => {
  for (const text of valid) assertEquals(isAddress(text), true, text);
  for (const text of invalid) assertEquals(isAddress(text), false, JSON.stringify(text));
});
