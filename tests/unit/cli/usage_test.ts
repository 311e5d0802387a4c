import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { commandDocs } from "../../../src/cli/docs.ts";
import { pick } from "../../../src/cli/find.ts";
import { permissionFlags, type PermissionKind, permissions } from "../../../src/cli/permissions.ts";
import { wholeTree } from "../../../src/cli/run.ts";
import { flatten, wordTree } from "../../../src/cli/completion/words.ts";
import { kernel } from "../../../src/sys/mod.ts";
import { Collected, skiff } from "./support.ts";

// libc is loaded once for the process: here, so that no test seems to leak it.
kernel.exists("/");

Deno.test("skiff without a word and skiff --help print the help and end with 0 only when asked for it", async () => {
  const asked = await skiff("--help");
  assertEquals([asked.code, asked.err], [0, ""]);
  assertMatch(asked.out, /^Usage: skiff COMMAND/);
});

Deno.test("skiff refuses an unknown command with the nearest name", async () => {
  const { code, err } = await skiff("stauts");
  assertEquals(code, 2);
  assertStringIncludes(err, "unknown command 'stauts'\n(Did you mean status?)");
});

for (
  const [words, message] of [
    [["ps", "--al"], "unknown option '--al'\n(Did you mean --all?)"],
    [["ps", "extra"], "too many arguments"],
    [["ps", "--state", "gone"], "Allowed choices are created, running, exited, unknown"],
    [["ps", "-l", "novalue"], "--label novalue: is not KEY=VALUE"],
    [["logs"], "missing required argument 'CONTAINER'"],
    [["logs", "--tail", "-1", "x"], "It is a whole number, 0 or more"],
    [["exec", "x"], "missing required argument 'COMMAND'"],
    [["exec", "--timeout", "1.5", "x", "y"], "It is a whole number of seconds"],
    [["jobs", "--limit", "many"], "It is a whole number"],
    [["image"], "Usage: skiff image"],
    [["image", "pull", "-u", "me", "x"], "--username and --password-stdin go together"],
    [["completion", "tcsh"], "Allowed choices are bash, zsh, fish"],
    [["config", "--set", "pidsLimit=-1"], "--set pidsLimit=-1: pidsLimit: is -1; allowed: a whole number"],
    [["config", "check", "/nowhere.yaml"], "/nowhere.yaml: cannot be read"],
    [["serve", "--listen", "/tmp/x.sock"], "socket: is not below /run/skiff"],
    [["serve", "--config", "/nowhere.yaml"], "/nowhere.yaml: cannot be read"],
  ] as [string[], string][]
) {
  Deno.test(`skiff ${words.join(" ")} is refused with exit code 2`, async () => {
    const { code, out, err } = await skiff(...words);
    assertEquals([code, out], [2, ""]);
    assertStringIncludes(err, message);
  });
}

Deno.test("every command and option is explained, and its help fits 100 columns", async () => {
  for (const words of flatten(wordTree(await wholeTree(new Collected())))) {
    assertEquals(words.summary === "", false, words.path);
    for (const option of words.options) assertMatch(option.summary, /^[A-Z].*\.$/, `${words.path} ${option.long}`);
  }
  assertEquals((await commandDocs()).split("\n").filter((line) => line.length > 100), []);
});

Deno.test("commandDocs() is what docs/commands.md holds; `deno task docs` writes it", async () => {
  assertEquals(await Deno.readTextFile(new URL("../../../docs/commands.md", import.meta.url)), await commandDocs());
});

Deno.test("permissionFlags() leaves no kind out but those that are empty, and scopes files", () => {
  const flags = permissionFlags();
  assertEquals(flags.includes("--allow-run") && flags.includes("--allow-ffi"), true);
  assertEquals(flags.filter((flag) => /^--allow-(read|write)$|--allow-all|-A/.test(flag)), []);
  for (const kind of Object.keys(permissions) as PermissionKind[]) {
    const value = permissions[kind];
    assertEquals(flags.some((flag) => flag.startsWith(`--allow-${kind}`)), value === true || value.length > 0, kind);
  }
});

Deno.test("skiff version --permissions prints the set", async () => {
  assertEquals((await skiff("version", "--permissions")).out, permissionFlags().map((flag) => `${flag}\n`).join(""));
  assertEquals(JSON.parse((await skiff("version", "--permissions", "--json")).out), permissions);
});

Deno.test("pick() prefers the whole ID, then a name, then the beginning of an ID", () => {
  const all = [{ id: "abc1", name: "x" }, { id: "abd2", name: "abc" }, { id: "abc", name: "y" }, {
    id: "f00",
    name: "z",
  }];
  const idOf = (word: string) => pick("thing", word, all, ({ name }) => [name]).id;
  assertEquals(["abc", "x", "abd", "z", "f"].map(idOf), ["abc", "abc1", "abd2", "f00", "f00"]);
});

Deno.test("pick() refuses what nothing or more than one has", () => {
  const all = [{ id: "abc1", name: "x" }, { id: "abd2", name: "x" }];
  const messageOf = (word: string) => {
    try {
      return pick("thing", word, all, ({ name }) => [name]).id;
    } catch (error) {
      return (error as Error).message;
    }
  };
  assertEquals(messageOf("x"), '"x" names 2 things: abc1 (x), abd2 (x); give more of the ID');
  assertEquals(messageOf("ab"), '"ab" names 2 things: abc1 (x), abd2 (x); give more of the ID');
  assertEquals(messageOf(""), 'no thing has the ID or the name ""');
});
