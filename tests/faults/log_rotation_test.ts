/** Two million lines while the log is moved away and opened again every second, as the kubelet rotates it. */
import { assert, assertEquals } from "@std/assert";
import { ContainerState } from "../../proto/gen/runtime/v1/api.ts";
import { sleep } from "../support/command.ts";
import type { Container, Workbench } from "../support/pods.ts";
import { suite } from "../support/suite.ts";

const LINES = 2_000_000;
const ENTRY = /^\S+ stdout ([PF]) (.*)$/;

const { test } = suite();

/** Rotates every `pause` milliseconds until the container has ended. Returns the files, oldest first. */
async function rotate(bench: Workbench, { id, log }: Container, pause: number): Promise<string[]> {
  const files: string[] = [];
  for (;;) {
    await sleep(pause);
    if ((await bench.status(id)).state !== ContainerState.CONTAINER_RUNNING) return [...files, log];
    const moved = `${log}.${files.length}`;
    await Deno.rename(log, moved);
    files.push(moved);
    try {
      await bench.client.reopenContainerLog({ containerId: id });
    } catch (error) {
      // It may have ended in between: then there is no new file.
      if ((await bench.status(id)).state === ContainerState.CONTAINER_RUNNING) throw error;
      return files;
    }
  }
}

/** What is wrong with the lines of these files, which must be 1, 2, 3 … LINES; parts of a line are put together. */
async function faults(files: string[]): Promise<{ wrong: string[]; cutByRotation: number }> {
  const wrong: string[] = [];
  let [expected, open, cutByRotation] = [1, "", 0];
  for (const file of files) {
    if (open !== "") cutByRotation++;
    const entries = (await Deno.readTextFile(file)).split("\n");
    if (entries.pop() !== "") wrong.push(`${file} does not end with a newline`);
    for (const entry of entries) {
      const [, tag, text] = ENTRY.exec(entry) ?? [];
      if (tag === undefined) wrong.push(`${file}: not an entry: ${entry.slice(0, 200)}`);
      open += text;
      if (tag !== "F") continue;
      if (open !== String(expected)) wrong.push(`${file}: expected ${expected}, found ${open.slice(0, 200)}`);
      expected = Number(open) + 1;
      open = "";
      if (wrong.length > 20) return { wrong, cutByRotation };
    }
  }
  if (expected !== LINES + 1) wrong.push(`the last line is ${expected - 1}`);
  return { wrong, cutByRotation };
}

async function assertWhole(bench: Workbench, script: string, pause: number): Promise<void> {
  const container = await bench.run({ command: ["/bin/sh", "-c", script] });
  const files = await rotate(bench, container, pause);
  const { wrong, cutByRotation } = await faults(files);
  assertEquals(wrong, []);
  console.log(`${files.length} files, ${cutByRotation} lines begun in one and ended in the next`);
  assert(files.length > 10, `only ${files.length} files: it was over before it was rotated`);
}

test("ReopenContainerLog() every second: each of two million lines is there once, in order, none cut", async (bench) => {
  const script = `at=1; while [ $at -lt ${LINES} ]; do seq $at $((at + 9999)); at=$((at + 10000)); sleep 0.1; done`;
  await assertWhole(bench, script, 1_000);
});

test("ReopenContainerLog() while a container writes as fast as it can: no line is lost or cut", async (bench) => {
  await assertWhole(bench, `exec seq 1 ${LINES}`, 5);
});
