import { assertEquals } from "@std/assert";
import { admitGroup, dismissGroup } from "../../../src/pods/admission.ts";
import { kernel } from "../../../src/sys/mod.ts";

kernel.getpid();
const ignore = Deno.uid() !== 0;

/** Whether a process of this user and group, and no others, can see what is in the folder. */
function reaches(path: string, id: number): boolean {
  const { success } = new Deno.Command("setpriv", {
    args: [`--reuid=${id}`, `--regid=${id}`, "--clear-groups", "cat", path],
    stdout: "null",
    stderr: "null",
  }).outputSync();
  return success;
}

Deno.test({
  name: "admitGroup() lets each group pass and nobody else, dismissGroup() takes it back (root)",
  ignore,
  fn() {
    const folder = Deno.makeTempDirSync({ prefix: "skiff-admission-" });
    try {
      Deno.writeTextFileSync(`${folder}/file`, "x", { mode: 0o644 });
      admitGroup(kernel, folder, 100_001);
      admitGroup(kernel, folder, 100_002);
      admitGroup(kernel, folder, 100_002);
      const open = () => [100_001, 100_002, 100_003].map((id) => reaches(`${folder}/file`, id));
      assertEquals(open(), [true, true, false]);
      assertEquals((kernel.stat(folder).mode & 0o777).toString(8), "710");
      dismissGroup(kernel, folder, 100_001);
      dismissGroup(kernel, folder, 100_001);
      assertEquals(open(), [false, true, false]);
      dismissGroup(kernel, folder, 100_002);
      assertEquals(open(), [false, false, false]);
      assertEquals((kernel.stat(folder).mode & 0o777).toString(8), "700");
      assertEquals(kernel.listxattr(folder), []);
      dismissGroup(kernel, `${folder}/gone`, 100_002);
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  },
});

Deno.test({
  name: "admitGroup() leaves a folder that is open to all, and keeps what a closed one's group may do (root)",
  ignore,
  fn() {
    const folder = Deno.makeTempDirSync({ prefix: "skiff-admission-" });
    try {
      Deno.chmodSync(folder, 0o755);
      admitGroup(kernel, folder, 100_001);
      assertEquals([kernel.stat(folder).mode & 0o777, kernel.listxattr(folder)], [0o755, []]);
      Deno.chmodSync(folder, 0o750);
      admitGroup(kernel, folder, 100_001);
      dismissGroup(kernel, folder, 100_001);
      assertEquals(kernel.stat(folder).mode & 0o777, 0o750);
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  },
});
