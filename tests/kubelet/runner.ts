/** Runs checks, a few at a time, and tells how each ended. */
import { patience, tryRun } from "../support/command.ts";
import type { Check, Cluster } from "./check.ts";
import { Context } from "./context.ts";
import { programs } from "./options.ts";

export interface CheckResult {
  name: string;
  item: string;
  state: "passed" | "failed" | "skipped";
  /** Of a failure or a skip. */
  reason?: string;
  seconds: number;
}

export interface RunOptions {
  /** How many at once, of those that need not be alone. */
  parallel: number;
  tell(result: CheckResult): void;
}

const DEFAULT_SECONDS = 120;
/** Beyond a check's own time, for calls that see that it is over. */
const GRACE_MS = 5_000;

/** In the order of `names`; one that no check has is an error. */
export function checksNamed(all: readonly Check[], names: readonly string[]): Check[] {
  return names.map((name) => {
    const found = all.find((check) => check.name === name);
    if (found === undefined) throw new Error(`no check is called "${name}"`);
    return found;
  });
}

/** Those by name (a part of it will do) or item; without any, all that are not only for a full run. */
export function choose(all: readonly Check[], wanted: string[], full: boolean): Check[] {
  if (wanted.length === 0) return all.filter((check) => full || !check.full);
  return all.filter((check) =>
    wanted.some((word) => check.name.includes(word) || check.item.toLowerCase() === word.toLowerCase())
  );
}

export async function runChecks(cluster: Cluster, checks: Check[], options: RunOptions): Promise<CheckResult[]> {
  const results: CheckResult[] = [];
  const take = async (check: Check) => {
    const result = await runCheck(cluster, check);
    results.push(result);
    options.tell(result);
  };
  const queue = checks.filter((check) => !check.alone);
  const worker = async () => {
    for (let check = queue.shift(); check; check = queue.shift()) await take(check);
  };
  await Promise.all(Array.from({ length: options.parallel }, worker));
  for (const check of checks.filter((check) => check.alone)) await take(check);
  return results;
}

export async function runCheck(cluster: Cluster, check: Check): Promise<CheckResult> {
  const began = performance.now();
  const outcome = (state: CheckResult["state"], reason?: string): CheckResult => ({
    name: check.name,
    item: check.item,
    state,
    reason,
    seconds: Math.round((performance.now() - began) / 100) / 10,
  });
  const unavailable = check.unavailable?.(cluster);
  if (unavailable !== undefined) return outcome("skipped", unavailable);
  const namespace = `check-${crypto.randomUUID().slice(0, 8)}`;
  const seconds = (check.timeout ?? DEFAULT_SECONDS) * patience;
  const ended = new AbortController();
  const timer = setTimeout(() => ended.abort(new Error(`not done after ${seconds} s`)), seconds * 1000);
  let hard: number | undefined;
  try {
    await openNamespace(cluster, namespace);
    await Promise.race([
      check.run(new Context(cluster, namespace, ended.signal)),
      new Promise<never>((_, reject) => {
        hard = setTimeout(() => reject(new Error(`hangs after ${seconds} s`)), seconds * 1000 + GRACE_MS);
      }),
    ]);
    return outcome("passed");
  } catch (error) {
    return outcome("failed", (error as Error).stack ?? String(error));
  } finally {
    clearTimeout(timer);
    clearTimeout(hard);
    await kubectl(cluster, "delete", "namespace", namespace, "--wait=false", "--ignore-not-found").catch(() => {});
  }
}

/** Pods can be created once the namespace has its service account. */
async function openNamespace(cluster: Cluster, name: string): Promise<void> {
  await kubectl(cluster, "create", "namespace", name);
  await kubectl(
    cluster,
    "wait",
    "--for=create",
    "--namespace",
    name,
    "serviceaccount/default",
    `--timeout=${30 * patience}s`,
  );
}

async function kubectl(cluster: Cluster, ...args: string[]): Promise<void> {
  const command = cluster.enter(`${programs}/kubectl`, `--kubeconfig=${cluster.kubeconfig}`, ...args);
  const { code, stderr } = await tryRun("nsenter", command);
  if (code !== 0) throw new Error(`kubectl ${args.join(" ")}: ${stderr.trim()}`);
}

export function count(results: CheckResult[]): string {
  const of = (state: CheckResult["state"]) => results.filter((result) => result.state === state).length;
  return `${of("passed")} passed, ${of("failed")} failed, ${of("skipped")} skipped`;
}
