import { assert, assertEquals } from "@std/assert";
import { permissionFlags } from "../../src/cli/permissions.ts";
import type { ParseTask } from "../../src/images/child_events.ts";
import { DOCUMENT_STREAM, frameHeader, FrameKind, MAX_SLOTS } from "../../src/images/frames.ts";
import { startWitness, type Witness } from "./witness.ts";

const ROOT = Deno.uid() === 0;
const attack = new URL("./parser_attack.ts", import.meta.url).pathname;
const denort = Deno.env.get("DENORT_BIN") ?? `${Deno.env.get("HOME")}/.cache/skiff/bin/denort`;
const hasDenort = await Deno.stat(denort).then(() => true, () => false);
const binaryPath = new URL("../../dist/skiff", import.meta.url).pathname;
const hasBinary = await Deno.stat(binaryPath).then(() => true, () => false);

interface Outcome {
  name: string;
  succeeded: boolean;
  text: string;
}

/** Runs the attacks as `program`, and holds that none had an effect that anybody else could see. */
async function attackAs(witness: Witness, program: string, args: string[]): Promise<Outcome[]> {
  const { stdout, stderr } = await new Deno.Command(program, {
    args: [...args, witness.folder, witness.victim, String(witness.port), witness.socket, String(witness.canary)],
    stdin: "null",
    env: { NO_COLOR: "1" },
  }).output();
  const text = new TextDecoder().decode(stdout);
  const outcomes = text.split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line) as Outcome);
  assertEquals(
    outcomes.at(-1)?.name,
    "own file",
    `the attacks did not run to their end: ${new TextDecoder().decode(stderr)}`,
  );
  return outcomes.slice(0, -1);
}

async function holds(witness: Witness, outcomes: Outcome[]): Promise<void> {
  assertEquals(outcomes.filter(({ succeeded }) => succeeded), []);
  assert(outcomes.length > 60, `only ${outcomes.length} attacks ran`);
  await witness.check();
}

Deno.test("enterSandbox() leaves injected code nothing of `deno run -A` (root)", { ignore: !ROOT }, async () => {
  await using witness = await startWitness();
  await holds(witness, await attackAs(witness, Deno.execPath(), ["run", "-A", "--quiet", attack]));
});

Deno.test("enterSandbox() leaves injected code nothing of the binary's permission set, compiled (root)", {
  ignore: !ROOT || !hasDenort,
}, async () => {
  await using witness = await startWitness("/var/lib/skiff");
  const binary = `${witness.folder}/attack`;
  const compiled = await new Deno.Command(Deno.execPath(), {
    args: [
      "compile",
      "--quiet",
      "--no-check",
      "--no-prompt",
      "--no-code-cache",
      ...permissionFlags(),
      "--output",
      binary,
      attack,
    ],
    env: { DENORT_BIN: denort },
  }).output();
  assert(compiled.success, new TextDecoder().decode(compiled.stderr));
  await holds(witness, await attackAs(witness, binary, []));
});

Deno.test(
  "skiff __parse, as built, holds only its own files while it reads, and answers garbage with an error (root)",
  {
    ignore: !ROOT || !hasBinary,
  },
  async () => {
    await using witness = await startWitness("/var/lib/skiff");
    const task: ParseTask = {
      staging: witness.folder,
      keepBlobs: false,
      platform: { os: "linux", architecture: "amd64", variant: "" },
      limits: { layers: 10, entries: 1000, inflatedBytes: 1 << 20, documentBytes: 1 << 20 },
    };
    const child = new Deno.Command(binaryPath, {
      args: ["__parse", JSON.stringify(task)],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const writer = child.stdin.getWriter();
    // An answer to a first document shows that the permissions are gone and the loop runs.
    const start = new TextEncoder().encode(JSON.stringify({ role: "manifest", mediaType: "" }));
    const index = new TextEncoder().encode('{"schemaVersion":2,"manifests":[]}');
    await writer.write(frameHeader(FrameKind.START, DOCUMENT_STREAM, start.length));
    await writer.write(start);
    await writer.write(frameHeader(FrameKind.DATA, DOCUMENT_STREAM, index.length));
    await writer.write(index);
    await writer.write(frameHeader(FrameKind.END, DOCUMENT_STREAM, 0));
    const reader = child.stdout.getReader();
    const first = JSON.parse(new TextDecoder().decode((await reader.read()).value));
    assertEquals([first.event, first.chosen], ["index", null]);

    const open: string[] = [];
    for (const { name } of Deno.readDirSync(`/proc/${child.pid}/fd`)) {
      open.push(
        Deno.readLinkSync(`/proc/${child.pid}/fd/${name}`),
      );
    }
    const strange = open.filter((target) =>
      !/^(pipe|socket|anon_inode):/.test(target) && !target.startsWith(`${witness.folder}/layer-`) &&
      target !== binaryPath
    );
    assertEquals(strange.filter((target) => !target.startsWith("/dev/")), []);
    assertEquals(open.filter((target) => target.startsWith(`${witness.folder}/layer-`)).length, MAX_SLOTS);

    await writer.write(new Uint8Array(64).fill(0xff));
    await writer.close();
    const second = JSON.parse(new TextDecoder().decode((await reader.read()).value));
    assertEquals(second.event, "error");
    assertEquals((await child.status).code, 1);
    await reader.cancel();
    await child.stderr.cancel();
    await witness.check();
  },
);

Deno.test("the attacks succeed where nothing was given up (root)", { ignore: !ROOT }, async () => {
  await using witness = await startWitness();
  const source = await Deno.readTextFile(attack);
  const unguarded = source.replace("\nenterSandbox();\n", "\n").replaceAll(
    "../../src/",
    new URL("../../src/", import.meta.url).href,
  );
  await Deno.writeTextFile(`${witness.folder}/unguarded.ts`, unguarded);
  const outcomes = await attackAs(witness, Deno.execPath(), ["run", "-A", "--quiet", `${witness.folder}/unguarded.ts`]);
  const succeeded = new Set(outcomes.filter(({ succeeded }) => succeeded).map(({ name }) => name.split(",")[0]));
  for (
    const kind of ["open for reading", "open for writing", "kill", "execve", "mount", "socket", "environment", "FFI"]
  ) {
    assert(succeeded.has(kind), `no attack of the kind "${kind}" can succeed at all, so their failure shows nothing`);
  }
  await new Deno.Command("umount", { args: [witness.folder], stderr: "null" }).output();
});
