/**
 * Sees each check fail: a cluster whose OCI runtime, or whose daemon, can be broken, each way in turn, and the checks that look
 * at what is missing then. What they say is kept in broken.log beside this file. As root, takes about 40 minutes.
 */
import { stripVTControlCharacters } from "node:util";
import { run, sleep } from "../support/command.ts";
import { exists, tools } from "../support/tools.ts";
import { AttachedCluster } from "./attached.ts";
import { plan } from "./broken_by.ts";
import { buildBroken, builds } from "./broken_daemon.ts";
import { breakRuntime, kinds, writeBrokenRuntime } from "./broken_runtime.ts";
import type { Check } from "./check.ts";
import { runChecks } from "./runner.ts";

const name = "broken";
/** A check that waits in vain need not wait for long. */
const SECONDS = 60;
const PARALLEL = 6;
/** The kubelet asks the runtime for its conditions every five seconds, and tells of the node every four. */
const TOLD_AFTER_MS = 12_000;

/** The same tools, but for the runtime. */
async function toolsWithBrokenRuntime(home: string): Promise<string> {
  await Deno.mkdir(`${home}/bin`, { recursive: true });
  for (const [from, to] of [[tools.home, home], [`${tools.home}/bin`, `${home}/bin`]]) {
    for (const entry of Deno.readDirSync(from)) {
      if (!exists(`${to}/${entry.name}`)) await Deno.symlink(`${from}/${entry.name}`, `${to}/${entry.name}`);
    }
  }
  const path = `${home}/bin/runc`;
  if (exists(path)) await Deno.remove(path);
  writeBrokenRuntime(path, tools.runcRelease, tools.crun);
  return path;
}

async function main(wanted: string[]): Promise<number> {
  const home = await Deno.makeTempDir({ prefix: "skiff-broken-" });
  const runtime = await toolsWithBrokenRuntime(home);
  breakRuntime(runtime, "");
  const program = new URL("main.ts", import.meta.url).pathname;
  const deno = (...args: string[]) =>
    run(Deno.execPath(), ["run", "-A", "--quiet", program, ...args], { env: { SKIFF_TOOLS: home }, timeout: 300_000 });
  await deno("up", "--name", name, "--stats-from-cri");
  const seen: Seen[] = [];
  const planned = plan(wanted);
  try {
    const cluster = new AttachedCluster(name);
    const see = async (kind: string) => {
      const checks = (planned.get(kind) ?? []).map((check) => ({ ...check, timeout: timeOf(check) }));
      await runChecks(cluster, checks, {
        parallel: PARALLEL,
        tell({ name, state, reason = "" }) {
          const one = { name, kind, failed: state === "failed", said: firstWords(reason) };
          if (state !== "skipped") seen.push(one);
          console.log(state === "skipped" ? `skipped  ${name}  ${reason}` : lineOf(one));
        },
      });
    };
    for (const kind of kinds.filter((kind) => planned.has(kind))) {
      breakRuntime(runtime, kind);
      await see(kind);
      breakRuntime(runtime, "");
    }
    const binary = `${cluster.runtimeRoot}-bin/skiff`;
    for (const build of builds) {
      const needed = build.filter((kind) => planned.has(kind));
      if (needed.length === 0) continue;
      await buildBroken(needed, `${binary}.broken`);
      await Deno.rename(`${binary}.broken`, binary);
      await cluster.restartDaemon();
      await sleep(TOLD_AFTER_MS);
      for (const kind of needed) await see(kind);
    }
  } finally {
    await deno("down", "--name", name);
    await Deno.remove(home, { recursive: true });
  }
  await keep(seen);
  const held = seen.filter(({ failed }) => !failed).length;
  console.log(`${seen.length - held} failed as they should, ${held} held`);
  return held === 0 ? 0 : 1;
}

interface Seen {
  name: string;
  kind: string;
  failed: boolean;
  said: string;
}

/** What waits for the kubelet, or for a restart, says only after its own time what it has seen. */
function timeOf(check: Check): number {
  if (check.alone) return check.timeout ?? 120;
  return check.full ? 120 : SECONDS;
}

const lineOf = ({ name, kind, failed, said }: Seen) =>
  `${failed ? "fails" : "HOLDS"}  ${name}  [without ${kind}]  ${said}`.trimEnd();
const nameOf = (line: string) => /^(?:fails|HOLDS) {2}(.*?) {2}\[without /.exec(line)?.[1] ?? "";

function firstWords(reason: string): string {
  const lines = stripVTControlCharacters(reason).replaceAll(tools.home, "~").split("\n").map((line) => line.trim())
    .filter(Boolean);
  return lines.filter((line) => !/^at |\[Diff\]|^[[\]]$/.test(line)).slice(0, 4).join(" ").slice(0, 240);
}

/** A run of a few replaces only their lines. */
async function keep(seen: Seen[]): Promise<void> {
  const file = new URL("broken.log", import.meta.url).pathname;
  const planned = new Set([...plan([]).values()].flat().map(({ name }) => name));
  const again = new Set(seen.map(({ name }) => name));
  const before = (exists(file) ? await Deno.readTextFile(file) : "").split("\n")
    .filter((line) => planned.has(nameOf(line)) && !again.has(nameOf(line)));
  const lines = [...before, ...seen.map(lineOf)].sort((a, b) => nameOf(a) < nameOf(b) ? -1 : 1);
  await Deno.writeTextFile(file, `${lines.join("\n")}\n`);
}

if (import.meta.main) Deno.exit(await main(Deno.args));
