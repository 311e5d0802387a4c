import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { parseConflist, parseNetworkFile, versionAtLeast } from "../../../src/network/conflist.ts";

const bridge = { type: "bridge", bridge: "cni0" };

Deno.test("parseConflist() takes a list and gives its text back as one that parses to the same", () => {
  const document = { cniVersion: "1.0.0", name: "pods", plugins: [bridge, { type: "portmap" }] };
  const list = parseConflist(JSON.stringify(document, null, 2));
  assertEquals(list.name, "pods");
  assertEquals(list.cniVersion, "1.0.0");
  assertEquals(list.plugins.map(({ type }) => type), ["bridge", "portmap"]);
  assertEquals(parseConflist(list.text), list);
});

Deno.test("parseConflist() picks the newest version that it knows from cniVersions", () => {
  const versions = (cniVersions: unknown[]) =>
    parseConflist(JSON.stringify({ cniVersion: "0.4.0", cniVersions, name: "n", plugins: [bridge] })).cniVersion;
  assertEquals(versions(["1.0.0", "1.1.0", "9.0.0"]), "1.1.0");
  assertEquals(versions(["0.3.1"]), "0.4.0");
  assertEquals(versions([null, {}]), "0.4.0");
});

Deno.test("parseConflist() takes a list without a version for 0.1.0", () => {
  assertEquals(parseConflist(JSON.stringify({ name: "n", plugins: [bridge] })).cniVersion, "0.1.0");
});

Deno.test("parseNetworkFile() makes a list of one plugin from a .conf", () => {
  const text = JSON.stringify({ cniVersion: "0.4.0", name: "single", ...bridge });
  for (const name of ["10-net.conf", "10-net.json"]) {
    const list = parseNetworkFile(name, text);
    assertEquals(list.name, "single");
    assertEquals(list.plugins[0].bridge, "cni0");
    assertEquals(parseConflist(list.text), list);
  }
});

Deno.test("parseNetworkFile() takes a list in a .conf or .json, and no single plugin in a .conflist", () => {
  const list = JSON.stringify({ cniVersion: "1.0.0", name: "n", plugins: [bridge] });
  assertEquals(parseNetworkFile("a.json", list).plugins.length, 1);
  const single = JSON.stringify({ cniVersion: "1.0.0", name: "n", ...bridge });
  assertThrows(() => parseNetworkFile("a.conflist", single), Error, '"plugins"');
});

const hostile: [string, unknown, string][] = [
  ["no JSON", "{", "not JSON"],
  ["an empty file", "", "not JSON"],
  ["a list", [], "not a JSON object"],
  ["null", null, "not a JSON object"],
  ["no name", { cniVersion: "1.0.0", plugins: [bridge] }, '"name"'],
  ["a name with a path", { cniVersion: "1.0.0", name: "../x", plugins: [bridge] }, '"name"'],
  ["a name with a newline", { cniVersion: "1.0.0", name: "a\nb", plugins: [bridge] }, '"name"'],
  ["a name that is a number", { cniVersion: "1.0.0", name: 7, plugins: [bridge] }, '"name"'],
  ["a version from the future", { cniVersion: "2.0.0", name: "n", plugins: [bridge] }, "not supported"],
  ["a version that is an object", { cniVersion: { a: 1 }, name: "n", plugins: [bridge] }, "not supported"],
  ["no plugins", { cniVersion: "1.0.0", name: "n", plugins: [] }, '"plugins"'],
  ["plugins that are no list", { cniVersion: "1.0.0", name: "n", plugins: { 0: bridge } }, '"plugins"'],
  ["a plugin that is a string", { cniVersion: "1.0.0", name: "n", plugins: ["bridge"] }, "plugin 0"],
  ["a plugin without a type", { cniVersion: "1.0.0", name: "n", plugins: [bridge, {}] }, "plugin 1"],
  ["a type with a path", { cniVersion: "1.0.0", name: "n", plugins: [{ type: "../../bin/sh" }] }, '"/"'],
  ["an absolute type", { cniVersion: "1.0.0", name: "n", plugins: [{ type: "/bin/sh" }] }, '"/"'],
  ["type ..", { cniVersion: "1.0.0", name: "n", plugins: [{ type: ".." }] }, '"type"'],
  ["an empty type", { cniVersion: "1.0.0", name: "n", plugins: [{ type: "" }] }, '"type"'],
  ["a type with a NUL", { cniVersion: "1.0.0", name: "n", plugins: [{ type: "a\0" }] }, '"type"'],
  ["capabilities as a list", {
    cniVersion: "1.0.0",
    name: "n",
    plugins: [{ type: "a", capabilities: ["x"] }],
  }, '"capabilities"'],
  ["a capability that is no boolean", {
    cniVersion: "1.0.0",
    name: "n",
    plugins: [{ type: "a", capabilities: { portMappings: "yes" } }],
  }, '"capabilities"'],
  ["65 plugins", { cniVersion: "1.0.0", name: "n", plugins: Array(65).fill(bridge) }, "65 plugins"],
  ["a megabyte", { cniVersion: "1.0.0", name: "n", plugins: [{ type: "a", x: "x".repeat(1 << 20) }] }, "larger"],
];
for (const [what, document, reason] of hostile) {
  Deno.test(`parseConflist() refuses ${what}`, () => {
    const text = typeof document === "string" ? document : JSON.stringify(document);
    const error = assertThrows(() => parseConflist(text), Error);
    assertStringIncludes(error.message, reason);
    assertEquals(/\n/.test(error.message), false);
  });
}

Deno.test("parseConflist() treats __proto__ as a key like any other", () => {
  const text = `{"cniVersion":"1.0.0","name":"n","plugins":[{"type":"a","__proto__":{"capabilities":{"x":true}}}]}`;
  const [plugin] = parseConflist(text).plugins;
  assertEquals(plugin.capabilities, undefined);
  assertEquals(({} as Record<string, unknown>).capabilities, undefined);
});

Deno.test("versionAtLeast() compares by age, not by text", () => {
  assertEquals(versionAtLeast("0.4.0", "0.4.0"), true);
  assertEquals(versionAtLeast("1.1.0", "0.4.0"), true);
  assertEquals(versionAtLeast("0.3.1", "0.4.0"), false);
});
