import { assertEquals, assertRejects } from "@std/assert";
import { EBUSY, Errno, kernel, MS_BIND, programs } from "../real_kernel.ts";
import { leaksNoDescriptor } from "./leaks.ts";

const root = Deno.uid() === 0;

Deno.test("removeTree() removes files, folders, fifos and links, and what links point to stays", async () => {
  const folder = Deno.makeTempDirSync();
  kernel.mkdirs(`${folder}/outside`);
  kernel.writeFile(`${folder}/outside/keep`, "");
  kernel.mkdirs(`${folder}/tree/a/b/c`);
  for (let i = 0; i < 1500; i++) kernel.writeFile(`${folder}/tree/a/b/file-${i}`, "");
  kernel.symlink(`${folder}/outside`, `${folder}/tree/a/link`);
  kernel.mkfifo(`${folder}/tree/fifo`, 0o600);
  await kernel.removeTree(`${folder}/tree/`);
  assertEquals(kernel.readDirectory(folder), [{ name: "outside", type: "directory" }]);
  assertEquals(kernel.exists(`${folder}/outside/keep`), true);

  kernel.symlink(`${folder}/outside`, `${folder}/link`);
  await kernel.removeTree(`${folder}/link`);
  assertEquals(kernel.exists(`${folder}/outside/keep`), true);
  await kernel.removeTree(`${folder}/outside/keep`);
  await kernel.removeTree(`${folder}/outside/keep`);
  await kernel.removeTree(`${folder}/no/such/folder`);
  await kernel.removeTree(folder);
  assertEquals(kernel.exists(folder), false);
});

Deno.test("removeTree() removes a tree that is deeper than a path can be", async () => {
  const folder = Deno.makeTempDirSync();
  const python = `import os
os.chdir(${JSON.stringify(folder)})
for i in range(3000):
  os.mkdir("deep"); os.chdir("deep"); open("f", "w").close()`;
  const { code } = await programs.run("/usr/bin/env", ["python3", "-c", python], {
    env: { PATH: Deno.env.get("PATH")! },
  });
  assertEquals(code, 0);
  await kernel.removeTree(folder);
  assertEquals(kernel.exists(folder), false);
});

Deno.test(
  "removeTree() leaks no descriptor, also when it stops at a mount (root)",
  { ignore: !root },
  () =>
    leaksNoDescriptor(async () => {
      const folder = Deno.makeTempDirSync();
      kernel.mkdirs(`${folder}/a/b/mounted`);
      kernel.mount("tmpfs", `${folder}/a/b/mounted`, "tmpfs", 0);
      await assertRejects(() => kernel.removeTree(folder), Errno);
      kernel.umountNow(`${folder}/a/b/mounted`, 0);
      await kernel.removeTree(folder);
    }),
);

Deno.test("removeTree() removes names that are not UTF-8", async () => {
  const folder = Deno.makeTempDirSync();
  const { code } = await programs.run("/bin/sh", [
    "-c",
    "d=$(printf 'dir\\377'); mkdir \"$d\"; : > \"$d/$(printf '\\376f')\"",
  ], { cwd: folder, env: { PATH: "/bin:/usr/bin" } });
  assertEquals(code, 0);
  await kernel.removeTree(folder);
  assertEquals(kernel.exists(folder), false);
});

Deno.test("removeTree() lets the event loop run", async () => {
  const folder = Deno.makeTempDirSync();
  for (let i = 0; i < 4000; i++) kernel.writeFile(`${folder}/${i}`, "");
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  await kernel.removeTree(folder);
  clearInterval(timer);
  assertEquals(turns > 1, true, `${turns} turns`);
});

for (const path of ["/", "//", "", ".", "..", "/tmp/..", "/tmp/."]) {
  Deno.test(`removeTree() refuses ${JSON.stringify(path)}`, async () => {
    await assertRejects(() => kernel.removeTree(path), Errno);
  });
}

Deno.test("removeTree() stops at a mount with EBUSY (root)", { ignore: !root }, async () => {
  const folder = Deno.makeTempDirSync();
  kernel.mkdirs(`${folder}/data`);
  kernel.writeFile(`${folder}/data/keep`, "");
  kernel.mkdirs(`${folder}/tree/a/mounted`);
  kernel.mount(`${folder}/data`, `${folder}/tree/a/mounted`, null, MS_BIND);
  try {
    for (const path of [`${folder}/tree`, `${folder}/tree/a/mounted`]) {
      const error = await assertRejects(() => kernel.removeTree(path), Errno) as unknown as Errno;
      assertEquals(error.code, EBUSY);
      assertEquals(error.message.includes(`${folder}/tree/a/mounted`), true);
    }
    assertEquals(kernel.exists(`${folder}/data/keep`), true);
  } finally {
    kernel.umountNow(`${folder}/tree/a/mounted`, 0);
  }
  await kernel.removeTree(folder);
  assertEquals(kernel.exists(folder), false);
});
