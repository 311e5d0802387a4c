/** Starting a cluster that outlives the program which starts it, and ending it. */
import { sleep, waitUntil } from "../support/command.ts";
import { exists } from "../support/tools.ts";
import { AttachedCluster } from "./attached.ts";
import { type ClusterOptions, type ClusterRecord, dirOf, recordOf, rootOf } from "./options.ts";

/** A machine with two busy processors needs one of them. */
const UP_MS = 240_000;

/** Returns when the node is Ready and what was asked for runs. */
export async function up(options: ClusterOptions, say: (line: string) => void): Promise<AttachedCluster> {
  if (runs(options.name)) throw new Error(`a cluster "${options.name}" runs already`);
  const log = await Deno.makeTempFile({ prefix: `skiff-cluster-${options.name}-`, suffix: ".log" });
  const main = new URL("main.ts", import.meta.url).pathname;
  const script = 'exec setsid "$0" "$@" </dev/null >"$LOG" 2>&1';
  const keeper = new Deno.Command("sh", {
    args: ["-c", script, Deno.execPath(), "run", "-A", "--quiet", main, "keep", JSON.stringify(options)],
    env: { LOG: log },
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  let ended = false;
  keeper.status.then(() => ended = true);
  keeper.unref();
  let told = 0;
  try {
    await waitUntil(
      "the cluster is up",
      async () => {
        const lines = (await Deno.readTextFile(log)).split("\n");
        const complete = lines.slice(0, -1);
        for (const line of complete.slice(told)) say(line);
        told = complete.length;
        if (complete.includes("up")) return true;
        if (ended) throw new Error(`the cluster did not come up:\n${lines.slice(-40).join("\n")}`);
      },
      UP_MS,
      100,
    );
  } finally {
    await Deno.remove(log);
  }
  return new AttachedCluster(options.name);
}

/** Ends it and waits until its keeper is gone; what a keeper that was killed has left is removed at the next start. */
export async function down(name: string): Promise<void> {
  const { keeperPid } = record(name);
  await new AttachedCluster(name).down();
  await waitUntil("the cluster's keeper has ended", () => !exists(`/proc/${keeperPid}`) || isZombie(keeperPid), 60_000);
  await sleep(100);
  for (const dir of [dirOf(name), rootOf(name)]) if (exists(dir)) throw new Error(`${dir} is still there`);
}

function record(name: string): ClusterRecord {
  if (!exists(recordOf(name))) throw new Error(`no cluster "${name}" runs`);
  return JSON.parse(Deno.readTextFileSync(recordOf(name)));
}

function runs(name: string): boolean {
  return exists(recordOf(name)) && exists(`/proc/${record(name).keeperPid}`);
}

/** It has ended, and its parent is still busy. */
function isZombie(pid: number): boolean {
  try {
    return /^State:\s+Z/m.test(Deno.readTextFileSync(`/proc/${pid}/status`));
  } catch {
    return true;
  }
}
