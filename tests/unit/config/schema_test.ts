import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { parse } from "yaml";
import {
  build,
  changesBetween,
  configDocs,
  defaultConfig,
  leavesOf,
  loadConfig,
  nearestName,
  printConfig,
} from "../../../src/config/mod.ts";
import { config, filesOf, problemsOf } from "./support.ts";

/** A value, and what the message must say; none: it is accepted. */
const cases: [string, string | undefined][] = [
  ["root: /var/lib/skiff/a", undefined],
  [
    "root: /srv/skiff",
    "is not below /var/lib/skiff: the binary was compiled with the right to read and write only there",
  ],
  ["root: /srv/skiff", "mount --bind /srv/skiff /var/lib/skiff"],
  ["root: /var/lib/skiff2", "is not below /var/lib/skiff"],
  ["root: /var/lib/skiff/../x", "has an empty part, `.` or `..`"],
  ["root: /var/lib/skiff/", "ends with a slash"],
  ["root: var/lib/skiff", "is not an absolute path"],
  ["root:", "is empty, not text"],
  ["root: 3", "is 3, not text"],
  ["state: /run/skiff/demo", undefined],
  ["state: /run/other", "is not below /run/skiff"],
  ["socket: /run/skiff/other.sock", undefined],
  ["socket: /run/skiff", "is the folder; name a file in it"],
  ["socket: /tmp/skiff.sock", "is not below /run/skiff"],
  [`socket: /run/skiff/${"x".repeat(97)}`, "has 108 bytes; a unix socket's path has room for 107"],
  [`socket: /run/skiff/${"x".repeat(96)}`, undefined],
  ['socket: "/run/skiff/a\\nb"', "has a line break"],
  ["log: { level: debug, format: json }", undefined],
  ["log: { format: xml }", "allowed: text | json"],
  ["maxMessageBytes: 4194303", "allowed: a whole number from 4194304"],
  ["maxMessageBytes: 5000000.5", "is 5000000.5"],
  ["runtimes: { youki: { path: /usr/bin/youki } }", undefined],
  ["runtimes: { Youki: {} }", "is not a name for an entry; allowed: lower-case letters"],
  [
    "runtimes: { runc: { path: runc } }",
    "runtimes.runc.path: is not an absolute path; allowed: an absolute path, or empty",
  ],
  ["runtimes: { runc: { rot: /x } }", 'runtimes.runc.rot: is not a key; did you mean "root"?'],
  ["conmon: /usr/bin/conmon", undefined],
  ["conmon: conmon", "is not an absolute path"],
  ["monitorCgroup: /", "is the root cgroup"],
  ["monitorCgroup: monitors", "is not an absolute path"],
  ["defaultCgroupParent: /kubepods", undefined],
  ["cgroupDriver: systemd", undefined],
  ["cgroupDriver: system", 'is "system"; allowed: cgroupfs | systemd'],
  ["{ cgroupDriver: systemd, monitorCgroup: a-b.slice, defaultCgroupParent: c.slice }", undefined],
  ["{ cgroupDriver: systemd, monitorCgroup: /monitors }", "it has to be the name of a slice (NAME.slice)"],
  ["{ cgroupDriver: systemd, defaultCgroupParent: /a.slice }", "it has to be the name of a slice (NAME.slice)"],
  ["defaultCgroupParent: pods.slice", "is the slice pods.slice; with cgroupDriver: cgroupfs it has to be"],
  ["monitorCgroup: a--b.slice", "is not an absolute path"],
  ["{ cgroupDriver: systemd, monitorCgroup: skiff-pods-monitors.slice }", "is inside defaultCgroupParent"],
  ["{ cgroupDriver: systemd, monitorCgroup: skiff-pods.slice }", "is inside defaultCgroupParent"],
  ["{ cgroupDriver: systemd, monitorCgroup: skiff-podsx.slice }", undefined],
  ["cni: { timeoutSeconds: 0 }", "allowed: a whole number from 1 to 3600 seconds"],
  ["cni: { pluginDirs: /usr/lib/cni }", 'is "/usr/lib/cni", not a list'],
  ["cni: { pluginDirs: [/a, b] }", 'item 2 ("b") is not an absolute path'],
  ["cni: { pluginDirs: [1] }", "item 1 is 1, not text"],
  ["streaming: { address: '::1', port: 10010 }", undefined],
  ["streaming: { address: 0.0.0.0 }", "is every address, which nobody can connect to"],
  ["streaming: { address: '::' }", "is every address"],
  ["streaming: { address: localhost }", "is not an IP address"],
  ["streaming: { port: 70000 }", "allowed: a whole number from 0 to 65535"],
  [
    "streaming: { tlsCertFile: /etc/skiff/cert.pem }",
    "streaming.tlsKeyFile: is empty: TLS needs the certificate and its key",
  ],
  ["images: { serve: { tlsCertFile: /etc/skiff/cert.pem } }", "images.serve.tlsKeyFile: is empty"],
  ["images: { serve: { address: 127.0.0.1 } }", "is not host:port"],
  ["streaming: { tlsKeyFile: /etc/skiff/key.pem }", "streaming.tlsCertFile: is empty"],
  ["streaming: { idleTimeoutSeconds: 0 }", "allowed: a whole number from 1 to 604800 seconds"],
  ["images: { registries: { 'localhost:5000': { plainHttp: true } } }", undefined],
  ["images: { registries: { '[::1]:5000': { plainHttp: true } } }", undefined],
  [
    "images: { registries: { 'http://x': { plainHttp: true } } }",
    "is not a name for an entry; allowed: host or host:port",
  ],
  ["images: { registries: { x: { plainHttp: maybe } } }", 'is "maybe"; allowed: true | false'],
  ["images: { registries: { x: { mirrors: [{ url: 'https://m/path' }] } } }", undefined],
  ["images: { registries: { x: { mirrors: [{ url: 'ftp://m' }] } } }", "does not start with http:// or https://"],
  ["images: { registries: { x: { mirrors: [{ url: 'https://u:p@m' }] } } }", "has a password in it"],
  ["images: { registries: { x: { mirrors: [{ url: 'https://m?a=1' }] } } }", "has a query"],
  ["images: { registries: { x: { mirrors: [{ url: m }] } } }", "is not a URL"],
  ["images: { registries: { x: { mirrors: [{ host: m }] } } }", 'is not an object with the key "url"'],
  ["images: { registries: { x: { mirrors: [{ url: 'http://m', ca: x }] } } }", 'has the unknown key "ca"'],
  ["images: { registries: { x: { mirrors: m } } }", 'is "m", not a list'],
  ["images: { pinned: [registry.example.com/pause:3] }", undefined],
  ["images: { pinned: ['a b'] }", "is not an image name"],
  ["images: { platform: linux/arm64/v8 }", undefined],
  ["images: { platform: arm64 }", "is not os/arch"],
  ["images: { limits: { layers: 501 } }", "allowed: a whole number from 1 to 500"],
  ["images: { limits: { layer: 5 } }", 'did you mean "layers"?'],
  ["defaultEnv: [A=b, C=]", undefined],
  ["defaultEnv: [A]", "is not NAME=value"],
  ["metricsListen: 127.0.0.1:9090", undefined],
  ["metricsListen: '[::1]:9090'", undefined],
  ["metricsListen: ':9090'", "is not host:port"],
  ["metricsListen: localhost:0", "ports go from 1 to 65535"],
  ["zzzzzzzzzzzz: 1", "is not a key; known here: root, state, socket"],
];

for (const [index, [content, expected]] of cases.entries()) {
  const says = expected === undefined ? "accepts" : "refuses";
  Deno.test(`schema ${says} ${content.slice(0, 70)} (${index})`, () => {
    if (expected === undefined) config(content);
    else assertStringIncludes(problemsOf(content).join("\n"), expected);
  });
}

Deno.test("schema's defaults pass its own checks", () => {
  assertEquals(loadConfig(filesOf({ "/etc/skiff/skiff.yaml": printConfig(defaultConfig()) })).config, defaultConfig());
});

Deno.test("printConfig() with comments loads to the same again and explains every key", () => {
  const printed = printConfig(defaultConfig(), { comments: true });
  assertEquals(parse(printed), defaultConfig());
  assertEquals(printed.split("\n").filter((line) => line.length > 100 && line.trimStart().startsWith("#")), []);
  assertStringIncludes(printed, "# Lines below this level are not written.");
});

Deno.test("leavesOf() names every key once", () => {
  const keys = leavesOf(defaultConfig()).map(({ key }) => key);
  assertEquals(new Set(keys).size, keys.length);
  assertEquals(keys.includes("runtimes.crun.path") && keys.includes("images.limits.layers"), true);
});

Deno.test("changesBetween() says what changed, what came and what went", () => {
  const changes = changesBetween(
    defaultConfig(),
    config("log:\n  level: debug\nruntimes:\n  crun:\n  kata:\n    path: /k\n"),
  );
  assertEquals(changes.map(({ key, from, to, reload }) => [key, from, to, reload]), [
    ["log.level", "info", "debug", "reload"],
    ["runtimes.crun.path", "", undefined, "restart"],
    ["runtimes.crun.root", "", undefined, "restart"],
    ["runtimes.kata.path", undefined, "/k", "restart"],
    ["runtimes.kata.root", undefined, "", "restart"],
  ]);
  assertEquals(changesBetween(defaultConfig(), defaultConfig()), []);
});

Deno.test("configDocs() is what docs/config.md holds; `deno task docs` writes it", async () => {
  assertEquals(await Deno.readTextFile(new URL("../../../docs/config.md", import.meta.url)), configDocs());
});

Deno.test("configDocs() has a heading for every key", () => {
  const docs = configDocs();
  for (const { key } of leavesOf(config("images:\n  registries:\n    HOST:\n      plainHttp: true"))) {
    assertStringIncludes(docs, `### \`${key.replace(/^runtimes\.[^.]+/, "runtimes.NAME")}\``);
  }
});

Deno.test("nearestName() finds what was meant, and nothing where nothing is near", () => {
  assertEquals(nearestName("levle", ["level", "format"]), "level");
  assertEquals(nearestName("PIDSLIMIT", ["pidsLimit"]), "pidsLimit");
  assertEquals(nearestName("xyz", ["level", "format"]), undefined);
  assertEquals(nearestName("foo", ["root"]), undefined);
  assertEquals(nearestName("a", []), undefined);
});

Deno.test("build names a version of semver", () => {
  assertMatch(build.version, /^\d+\.\d+\.\d+/);
});
