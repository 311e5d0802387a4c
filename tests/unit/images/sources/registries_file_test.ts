import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { parseRegistriesFile, RegistriesFileError } from "../../../../src/images/sources/registries_file.ts";

const read = (text: string) => parseRegistriesFile("/r.conf", text);
const problem = (text: string) => assertThrows(() => read(text), RegistriesFileError).message;

Deno.test("parseRegistriesFile() reads every key of the format", () => {
  const file = read(`
unqualified-search-registries = ["registry.example.com", "docker.io/"]
short-name-mode = "enforcing"

[[registry]]
prefix = "example.com/team"
location = "internal.example.com:5000/mirrored/"
insecure = true

[[registry.mirror]]
location = "mirror.example.com/team"
pull-from-mirror = "tag-only"
[[registry.mirror]]
location = "[fd00::1]:5000"
insecure = true

[[registry]]
location = "bad.example.com"
blocked = true

[[registry]]
prefix = "*.example.org"
mirror-by-digest-only = true
mirror = [{ location = "mirror.example.org" }]

[aliases]
"fedora" = "registry.fedoraproject.org/fedora"
"team/app" = ""
`);
  assertEquals(file.search, ["registry.example.com", "docker.io"]);
  assertEquals([file.searchOrigin, file.shortNameMode, file.unknown], ["/r.conf:2", "enforcing", []]);
  assertEquals(file.rules, [
    {
      prefix: "example.com/team",
      location: "internal.example.com:5000/mirrored",
      insecure: true,
      plainHttp: false,
      blocked: false,
      mirrors: [
        { location: "mirror.example.com/team", insecure: false, pullFrom: "tag-only" },
        { location: "[fd00::1]:5000", insecure: true, pullFrom: "all" },
      ],
      origin: "/r.conf:5",
    },
    {
      prefix: "bad.example.com",
      location: "bad.example.com",
      insecure: false,
      plainHttp: false,
      blocked: true,
      mirrors: [],
      origin: "/r.conf:17",
    },
    {
      prefix: "*.example.org",
      location: "",
      insecure: false,
      plainHttp: false,
      blocked: false,
      mirrors: [{ location: "mirror.example.org", insecure: false, pullFrom: "digest-only" }],
      origin: "/r.conf:21",
    },
  ]);
  assertEquals([...file.aliases], [
    ["fedora", { name: "registry.fedoraproject.org/fedora", origin: "/r.conf:27" }],
    ["team/app", { name: "", origin: "/r.conf:28" }],
  ]);
});

Deno.test("parseRegistriesFile() of an empty file, and of comments alone, says nothing", () => {
  for (const text of ["", "# unqualified-search-registries = []\n"]) {
    assertEquals([read(text).rules, read(text).search, read(text).shortNameMode], [[], undefined, undefined]);
  }
});

Deno.test("parseRegistriesFile() names line and key of what is wrong", () => {
  const cases: [string, ...string[]][] = [
    ["a = 1\nb = [1,\n", "/r.conf:", "not closed"],
    ["[registries.search]\nregistries = ['x.io']\n", "first version of the format"],
    ['\nunqualified-search-registries = "x.io"', "/r.conf:2: unqualified-search-registries: is not a list"],
    ['unqualified-search-registries = ["x.io/path"]', "/r.conf:1", "is not host or host:port"],
    ['short-name-mode = "strict"', "/r.conf:1: short-name-mode", "permissive, enforcing, disabled"],
    ["[[registry]]\nblocked = true", "/r.conf:1: registry.prefix", "neither prefix nor location"],
    ['[[registry]]\nprefix = "x.io"', "registry.location: is not set"],
    ['[[registry]]\nlocation = "https://x.io"', "/r.conf:2: registry.location", "without http:// or https://"],
    ['[[registry]]\nlocation = "not a host"', "/r.conf:2: registry.location", "registry's host"],
    ['[[registry]]\nprefix = "x.io"\nlocation = "*.y.io"', "/r.conf:3: registry.location: cannot have a *"],
    ['[[registry]]\nlocation = "x.io"\nblocked = "yes"', "/r.conf:3: registry.blocked: is neither true nor false"],
    ["[[registry]]\nlocation = 3", "/r.conf:2: registry.location: is not text"],
    ['[[registry]]\nlocation = "x.io"\npull-from-mirror = "all"', "/r.conf:3: registry.pull-from-mirror"],
    [
      '[[registry]]\nlocation = "x.io"\n[[registry.mirror]]\nlocation = "y.io"\n[[registry.mirror]]\ninsecure = true',
      "/r.conf:5: registry.mirror.location: must be",
    ],
    [
      '[[registry]]\nlocation = "x.io"\nmirror-by-digest-only = true\n[[registry.mirror]]\nlocation = "y.io"\npull-from-mirror = "all"',
      "/r.conf:6: registry.mirror.pull-from-mirror: cannot be set together",
    ],
    ['[registry]\nlocation = "x.io"', "registry: is not a list of tables: write [[registry]]"],
    [
      '[[registry]]\nlocation = "x.io"\n[[registry]]\nlocation = "x.io"\nblocked = true',
      "/r.conf:3: registry: x.io is also in /r.conf:1",
    ],
    ['[aliases]\n"x.io/app" = "y.io/app"', "/r.conf:2: aliases.x.io/app: is not a short name"],
    ['[aliases]\napp = "app"', "/r.conf:2: aliases.app", "is not a whole name"],
    ['[aliases]\napp = "x.io/app:1"', "/r.conf:2: aliases.app", "without tag"],
    ['[aliases]\n"app:1" = "x.io/app"', "is not a short name without tag"],
  ];
  for (const [text, ...parts] of cases) for (const part of parts) assertStringIncludes(problem(text), part);
});

Deno.test("parseRegistriesFile() takes unknown keys for new ones, and says where they are", () => {
  const { unknown } = read(
    '[[registry]]\nlocation = "x.io"\nfuture = 1\n[[registry.mirror]]\nlocation = "y.io"\nnew = 2',
  );
  assertEquals(unknown, ["/r.conf:3: registry.future", "/r.conf:6: registry.mirror.new"]);
});
