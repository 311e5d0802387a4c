import { assertEquals } from "@std/assert";
import { kernel, pauseProgram, programs, SIGINT, SIGTERM } from "../real_kernel.ts";

const decoder = new TextDecoder();

function installPause(): { folder: string; path: string } {
  const folder = Deno.makeTempDirSync();
  kernel.writeFile(`${folder}/pause`, pauseProgram());
  kernel.chmod(`${folder}/pause`, 0o755);
  return { folder, path: `${folder}/pause` };
}

/** Asks until `condition` holds, for two seconds at most. */
async function until(condition: () => boolean, what: string): Promise<void> {
  for (let i = 0; i < 200; i++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`not within two seconds: ${what}`);
}

const asleep = (pid: number) => /\) S /.test(kernel.readText(`/proc/${pid}/stat`));

Deno.test("pauseProgram() is a small static executable that ends with 0 on SIGTERM and SIGINT", async () => {
  const { folder, path } = installPause();
  assertEquals(kernel.stat(path).size < 8192, true);
  for (const signal of [SIGTERM, SIGINT]) {
    const child = programs.spawn(path, [], {});
    await until(() => asleep(child.pid), "asleep");
    const pss = Number(/^Pss:\s+(\d+) kB/m.exec(kernel.readText(`/proc/${child.pid}/smaps_rollup`))![1]);
    assertEquals(pss < 100, true, `${pss} kB PSS`);
    child.kill(signal);
    assertEquals(await child.status, { code: 0, signal: 0 });
  }
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("pauseProgram() as the first process of a pid namespace reaps and obeys SIGTERM from inside (root)", {
  ignore: Deno.uid() !== 0,
}, async () => {
  const { folder, path } = installPause();
  const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" };
  const unshare = programs.spawn("/usr/bin/unshare", ["--pid", "--fork", path], { env });
  const children = (pid: number) => kernel.readText(`/proc/${pid}/task/${pid}/children`).trim();
  await until(() => children(unshare.pid) !== "", "forked");
  const pause = Number(children(unshare.pid));
  await until(() => kernel.readText(`/proc/${pause}/comm`) === "pause\n" && asleep(pause), "asleep");

  const enter = (script: string) =>
    programs.run("/usr/bin/nsenter", ["-t", String(pause), "-p", "/bin/sh", "-c", script], { env });
  const { stderr } = await enter("for i in 1 2 3 4 5; do setsid sh -c 'sleep 0.1; exit 3' >/dev/null 2>&1 & done");
  assertEquals(decoder.decode(stderr), "");
  await until(() => children(pause) !== "", "orphans have come");
  await until(() => children(pause) === "", "orphans were reaped");

  await enter("kill -TERM 1");
  assertEquals(await unshare.status, { code: 0, signal: 0 });
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("pauseProgram() has an ELF of the right machine for each architecture", () => {
  for (const [architecture, machine] of [["x86_64", 62], ["aarch64", 183]] as const) {
    const elf = pauseProgram(architecture);
    assertEquals(decoder.decode(elf.subarray(1, 4)), "ELF");
    assertEquals(elf[18] | (elf[19] << 8), machine);
  }
});
