import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { ConfigError, defaultConfig, loadConfig } from "../../../src/config/mod.ts";
import { config, filesOf, load, problemsOf } from "./support.ts";

Deno.test("loadConfig() without any file is the defaults", () => {
  const loaded = loadConfig(filesOf({}));
  assertEquals(loaded.config, defaultConfig());
  assertEquals(loaded.files, []);
});

Deno.test("defaultConfig() gives each caller a copy of its own", () => {
  defaultConfig().cni.pluginDirs.push("/x");
  assertEquals(defaultConfig().cni.pluginDirs, ["/opt/cni/bin", "/usr/lib/cni"]);
});

Deno.test("loadConfig() reads the file, then drop-ins by name, then settings", () => {
  const files = filesOf({
    "/etc/skiff/skiff.yaml": "pidsLimit: 1\nkeepJobs: 1\ndefaultRuntime: crun\nlog:\n  level: warn",
    "/etc/skiff/skiff.yaml.d/20-b.yaml": "pidsLimit: 3\n",
    "/etc/skiff/skiff.yaml.d/10-a.yaml": "pidsLimit: 2\nkeepJobs: 2\n",
    "/etc/skiff/skiff.yaml.d/30-not.yaml.bak": "pidsLimit: 9\n",
    "/etc/skiff/skiff.yaml.d/.hidden.yaml": "pidsLimit: 9\n",
  });
  const { config, files: read, origins } = loadConfig(files, { settings: ["log.level=debug"] });
  assertEquals([config.pidsLimit, config.keepJobs, config.defaultRuntime, config.log.level], [3, 2, "crun", "debug"]);
  assertEquals(read, [
    "/etc/skiff/skiff.yaml",
    "/etc/skiff/skiff.yaml.d/10-a.yaml",
    "/etc/skiff/skiff.yaml.d/20-b.yaml",
  ]);
  assertEquals(origins.get("pidsLimit"), { source: "/etc/skiff/skiff.yaml.d/20-b.yaml", line: 1, column: 12 });
  assertEquals(origins.get("log.level"), { source: "--set log.level=debug" });
  assertEquals(origins.get("root"), undefined);
});

Deno.test("loadConfig() reads another file and its drop-ins, and not the default ones", () => {
  const files = filesOf({
    "/etc/skiff/skiff.yaml": "pidsLimit: 1",
    "/srv/other.yaml": "keepJobs: 5",
    "/srv/other.yaml.d/x.yaml": "keepJobs: 6",
  });
  const { config } = loadConfig(files, { file: "/srv/other.yaml" });
  assertEquals([config.pidsLimit, config.keepJobs], [0, 6]);
});

Deno.test("loadConfig() refuses a named file that is not there", () => {
  const error = assertThrows(() => loadConfig(filesOf({}), { file: "/srv/none.yaml" }), ConfigError);
  assertMatch(error.message, /^\/srv\/none\.yaml: cannot be read: No such file/);
});

Deno.test("loadConfig() merges tables by name and replaces lists", () => {
  const files = filesOf({
    "/etc/skiff/skiff.yaml":
      "runtimes:\n  kata:\n    path: /opt/kata\ncni:\n  pluginDirs: [/a, /b]\nimages:\n  registries:\n    docker.io:\n      plainHttp: true",
    "/etc/skiff/skiff.yaml.d/a.yaml":
      "runtimes:\n  kata:\n    root: /run/kata\ncni:\n  pluginDirs: [/c]\nimages:\n  registries:\n    docker.io:\n      mirrors:\n        - url: http://127.0.0.1:5000",
  });
  const { config } = loadConfig(files);
  assertEquals(config.runtimes.kata, { path: "/opt/kata", root: "/run/kata" });
  assertEquals(Object.keys(config.runtimes), ["runc", "crun", "kata"]);
  assertEquals(config.cni.pluginDirs, ["/c"]);
  assertEquals(config.images.registries["docker.io"], { mirrors: [{ url: "http://127.0.0.1:5000" }], plainHttp: true });
});

Deno.test("loadConfig() takes a default entry away where its name has no value", () => {
  assertEquals(Object.keys(config("runtimes:\n  crun: null").runtimes), ["runc"]);
  assertEquals(Object.keys(config("runtimes:\n  crun:").runtimes), ["runc"]);
});

Deno.test("loadConfig() accepts an empty file, an empty section and an alias", () => {
  assertEquals(config(""), defaultConfig());
  assertEquals(config("# nothing\nlog:\nruntimes:\n"), defaultConfig());
  assertEquals(
    config("defaultCgroupParent: &name /pods\nroot: /var/lib/skiff\ncni:\n  configDir: *name").cni.configDir,
    "/pods",
  );
});

Deno.test("loadConfig() says everything that is wrong, by line and column", () => {
  assertEquals(problemsOf("log:\n  level: loud\npidsLimit: many\nkeepJobs: 3\nrooot: 1\n"), [
    'skiff.yaml:2:10: log.level: is "loud"; allowed: debug | info | warn | error',
    'skiff.yaml:3:12: pidsLimit: is "many"; allowed: a whole number from 0 to 4194304',
    'skiff.yaml:5:1: rooot: is not a key; did you mean "root"?',
  ]);
});

Deno.test("loadConfig() says what is wrong in all files at once", () => {
  const files = filesOf({ "/etc/skiff/skiff.yaml": "pidsLimit: -1", "/etc/skiff/skiff.yaml.d/x.yaml": "keepJobs: -1" });
  const error = assertThrows(() => loadConfig(files, { settings: ["nope=1"] }), ConfigError) as ConfigError;
  assertEquals(error.problems.map(({ key }) => key), ["pidsLimit", "keepJobs", "nope"]);
});

Deno.test("loadConfig() refuses what is not YAML, by line", () => {
  const [first] = problemsOf("log:\n  level: [\n");
  assertMatch(first, /^skiff\.yaml:\d+:\d+: is not YAML: /);
  assertMatch(problemsOf("pidsLimit: 1\npidsLimit: 2\n")[0], /^skiff\.yaml:2:1: is not YAML: Map keys must be unique/);
  assertMatch(problemsOf("a: 1\n---\nb: 2\n")[0], /is not YAML/);
});

Deno.test("loadConfig() names each alias that has no anchor, goes around in a circle or stands for far too much", () => {
  const none = "(the anchor must be set before the alias): none";
  assertEquals(problemsOf("root: *none\nlog: *none\nimages:\n  pinned: [a, *none]\n"), [
    `skiff.yaml:1:7: root: is not YAML: Unresolved alias ${none}`,
    "skiff.yaml:2:6: log: is not YAML: Unresolved alias (the anchor must be set before the alias): none",
    `skiff.yaml:4:11: images.pinned: is not YAML: Unresolved alias ${none}`,
  ]);
  assertMatch(
    problemsOf("cni:\n  pluginDirs: &dirs [*dirs]\n")[0],
    /^skiff\.yaml:2:\d+: cni\.pluginDirs: item 1 is a list/,
  );
  const bomb = `cni:\n  configDir: &a [${"x, ".repeat(9)}x]\n  pluginDirs: [[&b [${"*a, ".repeat(9)}*a]], [${
    "*b, ".repeat(19)
  }*b]]\n`;
  assertMatch(problemsOf(bomb).at(-1)!, /^skiff\.yaml:3:\d+: cni\.pluginDirs: is not YAML: Excessive alias count/);
});

Deno.test("loadConfig() refuses a file that is a list or a word", () => {
  assertEquals(problemsOf("- a\n"), ["skiff.yaml:1:1: is not an object with keys"]);
  assertEquals(problemsOf("log: debug\n"), ["skiff.yaml:1:6: log: is not an object with keys"]);
});

Deno.test("loadConfig() refuses a default runtime that is not in runtimes, where it was set", () => {
  assertEquals(problemsOf("keepJobs: 1\ndefaultRuntime: youki"), [
    'skiff.yaml:2:17: defaultRuntime: is "youki", which is not a name in runtimes; there are: runc, crun',
  ]);
  assertEquals(problemsOf("runtimes:\n  runc:\n"), [
    '(default): defaultRuntime: is "runc", which is not a name in runtimes; there are: crun',
  ]);
});

Deno.test("loadConfig() refuses a monitor cgroup inside the pods' cgroup", () => {
  assertMatch(
    problemsOf("monitorCgroup: /skiff-pods/monitors")[0],
    /^skiff\.yaml:1:16: monitorCgroup: is inside defaultCgroupParent/,
  );
  assertEquals(config("monitorCgroup: /skiff-pods-monitors").monitorCgroup, "/skiff-pods-monitors");
});

Deno.test("loadConfig() gives a setting's text as it is to text keys, and as YAML to the others", () => {
  const { config } = load("", {
    settings: [
      "metricsListen=127.0.0.1:9090",
      "pidsLimit=7",
      "cni.pluginDirs=[/x, /y]",
      "images.registries.docker.io.plainHttp=true",
      "images.registries.docker.io.mirrors=[{url: 'http://m:5000'}]",
      "runtimes.kata.path=/opt/kata=1",
    ],
  });
  assertEquals([config.metricsListen, config.pidsLimit, config.cni.pluginDirs], ["127.0.0.1:9090", 7, ["/x", "/y"]]);
  assertEquals(config.images.registries["docker.io"], { plainHttp: true, mirrors: [{ url: "http://m:5000" }] });
  assertEquals(config.runtimes.kata.path, "/opt/kata=1");
});

for (
  const [setting, message] of [
    ["pidsLimit", "is not KEY=VALUE"],
    ["pidsLimt=3", 'pidsLimt: is not a key; did you mean "pidsLimit"?'],
    ["log=debug", "log: has keys below it: name one of level, format"],
    ["log.level.x=1", "log.level: is a value: it has no keys below it"],
    ["runtimes.kata=1", "runtimes: needs NAME.KEY after it"],
    ["runtimes.kata.pat=/x", 'runtimes.kata.pat: is not a key; did you mean "path"?'],
    ["pidsLimit=[", 'pidsLimit: is "["; allowed: a whole number'],
    ["toString=1", "toString: is not a key"],
    ["__proto__.x=1", "__proto__: is not a key"],
  ]
) {
  Deno.test(`loadConfig() refuses the setting ${setting}`, () => {
    const [first] = problemsOf("", { settings: [setting] });
    assertEquals(first.startsWith(`--set ${setting}: ${message}`), true, first);
  });
}

Deno.test("loadConfig() has slices as defaults where the cgroup driver is systemd", () => {
  const { monitorCgroup, defaultCgroupParent } = config("cgroupDriver: systemd");
  assertEquals([monitorCgroup, defaultCgroupParent], ["skiff-monitors.slice", "skiff-pods.slice"]);
  assertEquals(config("cgroupDriver: systemd\nmonitorCgroup: mine.slice").monitorCgroup, "mine.slice");
});
