import { assertEquals } from "@std/assert";

const root = { ignore: Deno.uid() !== 0 };

/** In a process of its own, as it is confined to the folder afterwards. */
async function inFolder(folder: string, script: string): Promise<string> {
  const module = new URL("../../../src/sys/mod.ts", import.meta.url).href;
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", `import { TreeMaker, S_IFREG, S_IFDIR } from "${module}"; const folder = "${folder}"; ${script}`],
    env: { NO_COLOR: "1" },
  }).output();
  return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
}

const attributes = `const name = (text) => new TextEncoder().encode(text);
  const of = (mode) => ({ mode, uid: 1, gid: 2, mtimeSeconds: 7, mtimeNanoseconds: 8, xattrs: [] });
  const tried = (what, action) => {
    try { action(); console.log(what, "done"); } catch (error) { console.log(what, error.name, error.message); }
  };`;

Deno.test("TreeMaker makes one name at a time, and none outside its folder (root)", root, async () => {
  const folder = await Deno.makeTempDir({ prefix: "skiff-tree-" });
  const inner = `${folder}/inner`;
  await Deno.mkdir(inner);
  const said = await inFolder(
    inner,
    `${attributes}
    const maker = new TreeMaker(folder);
    maker.enter(name("tree"));
    for (const bad of ["", ".", "..", "../x", "/x", "a/b", "a\\0b"]) {
      tried(JSON.stringify(bad), () => maker.file(name(bad), of(S_IFREG | 0o600), () => {}));
    }
    maker.symlink(name("out"), name("/etc"), of(0o120777));
    tried("into a symlink", () => maker.enter(name("out")));
    tried("over a symlink", () => maker.file(name("out"), of(S_IFREG), () => {}));
    maker.file(name("f"), of(S_IFREG | 0o4711), () => {});
    tried("twice", () => maker.file(name("f"), of(S_IFREG), () => {}));
    maker.share(name("f"), 3);
    maker.link(name("g"), 3);
    maker.leave(name("tree"), of(S_IFDIR | 0o750));
    // Nothing is above the root of the process.
    maker.enter(name("beside"));
    maker.leave(name("beside"), of(S_IFDIR));
    maker.leave(name("tree"), of(S_IFDIR | 0o750));
    maker.finish();
    console.log(maker.usage.inodesUsed);`,
  );
  assertEquals(said.trim().split("\n").map((line) => line.replace(/ Cannot .*$/, "")), [
    `"" TypeError`,
    `"." TypeError`,
    `".." TypeError`,
    `"../x" TypeError`,
    `"/x" TypeError`,
    `"a/b" TypeError`,
    `"a\\u0000b" TypeError`,
    "into a symlink Errno mkdir tree/out (a name is there twice): exists already (EEXIST)",
    "over a symlink Errno openat tree/out (a name is there twice): exists already (EEXIST)",
    "twice Errno openat tree/f (a name is there twice): exists already (EEXIST)",
    "5",
  ]);
  assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name), ["inner"]);
  assertEquals([...Deno.readDirSync(inner)].map(({ name }) => name).sort(), ["beside", "tree"]);
  const { mode, uid, gid, nlink, mtime } = await Deno.lstat(`${inner}/tree/g`);
  assertEquals([mode! & 0o7777, uid, gid, nlink, mtime!.getTime()], [0o4711, 1, 2, 2, 7_000]);
  await Deno.remove(folder, { recursive: true });
});
