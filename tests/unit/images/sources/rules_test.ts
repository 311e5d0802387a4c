import { assertEquals, assertThrows } from "@std/assert";
import { parseReference } from "../../../../src/images/reference.ts";
import { placesOf } from "../../../../src/images/sources/places.ts";
import { parseRegistriesFile } from "../../../../src/images/sources/registries_file.ts";
import { matchPrefix, type RegistryRules } from "../../../../src/images/sources/rules.ts";
import { candidatesOf } from "../../../../src/images/sources/short_names.ts";
import { RpcError } from "../../../../src/rpc/status.ts";

const DIGEST = `sha256:${"a".repeat(64)}`;

function rulesOf(text: string): RegistryRules {
  const { rules, search, searchOrigin, aliases, shortNameMode } = parseRegistriesFile("/r.conf", text);
  return {
    rules,
    search: search && { registries: search, origin: searchOrigin },
    aliases,
    shortNameMode: shortNameMode ?? "permissive",
  };
}

/** What would be asked, as `url repository`. */
function tried(name: string, rules: RegistryRules): string[] {
  return placesOf(parseReference(name), rules).map(({ endpoint, reference }) => `${endpoint.url} ${reference.path}`);
}

const names = (name: string, rules: RegistryRules) =>
  candidatesOf(name, rules).map(({ reference: { domain, path, tag, digest } }) =>
    `${domain}/${path}${tag ? `:${tag}` : ""}${digest ? "@" : ""}`
  );

Deno.test("matchPrefix() ends where a part of a name does", () => {
  const cases: [string, string, number][] = [
    ["example.com/a:1", "example.com", 11],
    ["example.com/a:1", "example.com/a", 13],
    ["example.com/a:1", "example.com/a:1", 15],
    ["example.com/ab", "example.com/a", -1],
    ["example.com.evil.org/a", "example.com", -1],
    ["example.com:5000/a", "example.com:5000", 16],
    ["a.example.com/x", "*.example.com", 13],
    ["a.b.example.com:5000/x", "*.example.com", 15],
    ["example.com/x", "*.example.com", -1],
    ["evil.org/a.example.com", "*.example.com", -1],
    ["a.example.com.evil.org/x", "*.example.com", -1],
  ];
  for (const [name, prefix, end] of cases) assertEquals(matchPrefix(name, prefix), end, `${name} ${prefix}`);
});

Deno.test("placesOf() takes the longest prefix, and a wildcard where nothing is longer", () => {
  const rules = rulesOf(`
[[registry]]
location = "example.com"
[[registry.mirror]]
location = "short.test"
[[registry]]
prefix = "example.com/team"
location = "long.test/elsewhere"
[[registry]]
prefix = "*.example.com"
[[registry.mirror]]
location = "wild.test/all"
`);
  assertEquals(tried("example.com/other/app:1", rules), [
    "https://short.test other/app",
    "https://example.com other/app",
  ]);
  assertEquals(tried("example.com/team/app:1", rules), ["https://long.test elsewhere/app"]);
  assertEquals(tried("eu.example.com/app:1", rules), ["https://wild.test all/app", "https://eu.example.com app"]);
  assertEquals(tried("example.org/app", rules), ["https://example.org app"]);
  assertEquals(tried("busybox", rules), ["https://registry-1.docker.io library/busybox"]);
});

Deno.test("placesOf() uses a mirror for the kind of pull that it is for", () => {
  const rules = rulesOf(`
[[registry]]
location = "example.com"
[[registry.mirror]]
location = "tags.test"
pull-from-mirror = "tag-only"
[[registry.mirror]]
location = "digests.test"
pull-from-mirror = "digest-only"
[[registry.mirror]]
location = "all.test"
insecure = true
[[registry]]
location = "strict.test"
mirror-by-digest-only = true
[[registry.mirror]]
location = "mirror.test"
`);
  assertEquals(tried("example.com/a:1", rules), ["https://tags.test a", "https://all.test a", "https://example.com a"]);
  for (const name of [`example.com/a@${DIGEST}`, `example.com/a:1@${DIGEST}`]) {
    assertEquals(tried(name, rules), ["https://digests.test a", "https://all.test a", "https://example.com a"]);
  }
  assertEquals(tried("strict.test/a:1", rules), ["https://strict.test a"]);
  assertEquals(tried(`strict.test/a@${DIGEST}`, rules), ["https://mirror.test a", "https://strict.test a"]);
  const insecure = placesOf(parseReference("example.com/a:1"), rules).map(({ endpoint }) => endpoint.insecure ?? false);
  assertEquals(insecure, [false, true, false]);
});

Deno.test("placesOf() refuses what is blocked, and names the line", () => {
  const rules = rulesOf(`
[[registry]]
location = "example.com"
blocked = true
[[registry]]
location = "example.com/good"
`);
  const { message } = assertThrows(() => tried("example.com/bad/app", rules), RpcError);
  assertEquals(message.includes("blocked (example.com, /r.conf:2)"), true, message);
  assertEquals(tried("example.com/good/app", rules), ["https://example.com good/app"]);
});

Deno.test("placesOf() shows the request's credentials to the registry of the name alone", () => {
  const rules = rulesOf(`
[[registry]]
location = "example.com"
[[registry.mirror]]
location = "mirror.test"
[[registry]]
prefix = "moved.test"
location = "elsewhere.test"
`);
  const may = (name: string) => placesOf(parseReference(name), rules).map((place) => place.mayHaveRequestAuth);
  assertEquals(may("example.com/a"), [false, true]);
  assertEquals(may("moved.test/a"), [false]);
});

Deno.test("candidatesOf() completes a short name by alias, else by the registries to search, else as docker.io's", () => {
  const rules = rulesOf(`
unqualified-search-registries = ["one.test", "docker.io"]
[aliases]
"team/app" = "example.com/team/app"
`);
  assertEquals(names("team/app:2", rules), ["example.com/team/app:2"]);
  assertEquals(names(`team/app@${DIGEST}`, rules), ["example.com/team/app@"]);
  assertEquals(names("busybox", rules), ["one.test/busybox:latest", "docker.io/library/busybox:latest"]);
  assertEquals(names("localhost/busybox:1", rules), ["localhost/busybox:1"]);
  assertEquals(names("busybox:1", rulesOf("")), ["docker.io/library/busybox:1"]);
});

Deno.test("candidatesOf() refuses a short name where nothing may be searched, or somebody would have to choose", () => {
  const none = assertThrows(() => names("busybox", rulesOf("unqualified-search-registries = []")), RpcError);
  assertEquals(none.message.includes("/r.conf:1 has none to search"), true, none.message);
  const two = 'short-name-mode = "enforcing"\nunqualified-search-registries = ["a.test", "b.test"]';
  const choice = assertThrows(() => names("busybox", rulesOf(two)), RpcError);
  assertEquals(choice.message.includes("a.test, b.test"), true, choice.message);
  const one = 'short-name-mode = "enforcing"\nunqualified-search-registries = ["a.test"]';
  assertEquals(names("busybox", rulesOf(one)), ["a.test/busybox:latest"]);
});
