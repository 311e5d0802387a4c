import { assertEquals, assertThrows } from "@std/assert";
import { EFBIG, ENOTDIR, Errno, kernel } from "../real_kernel.ts";

Deno.test("readDirectory() returns every one of 5,000 entries once, and refuses more than the limit", () => {
  const folder = Deno.makeTempDirSync();
  const names = Array.from({ length: 5000 }, (_, i) => `a-name-of-some-length-${i}`);
  for (const name of names) kernel.writeFile(`${folder}/${name}`, "");
  const found = kernel.readDirectory(folder).map(({ name }) => name);
  assertEquals(found.sort(), names.sort());
  assertEquals(kernel.readDirectory(folder, 5000).length, 5000);
  assertEquals((assertThrows(() => kernel.readDirectory(folder, 4999), Errno) as unknown as Errno).code, EFBIG);
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("readDirectory() tells the types and hides only . and ..", () => {
  const folder = Deno.makeTempDirSync();
  kernel.writeFile(`${folder}/...`, "");
  kernel.writeFile(`${folder}/.hidden`, "");
  kernel.mkdir(`${folder}/été`, 0o700);
  kernel.symlink("nowhere", `${folder}/link`);
  kernel.mkfifo(`${folder}/fifo`, 0o600);
  assertEquals(kernel.readDirectory(folder).sort((a, b) => a.name < b.name ? -1 : 1), [
    { name: "...", type: "file" },
    { name: ".hidden", type: "file" },
    { name: "fifo", type: "other" },
    { name: "link", type: "symlink" },
    { name: "été", type: "directory" },
  ]);
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("readDirectory() of a file says ENOTDIR", () => {
  assertEquals((assertThrows(() => kernel.readDirectory("/etc/passwd"), Errno) as unknown as Errno).code, ENOTDIR);
});
