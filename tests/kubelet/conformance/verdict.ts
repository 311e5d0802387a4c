/** What a run of Kubernetes' own tests comes to: figures, and everything that must not be. */
import type { Spec } from "./ginkgo_report.ts";
import type { NotRun } from "./not_run.ts";

const LINES_OF_A_FAILURE = 8;

const without = (outcome: Spec["outcome"]) => outcome === "skipped" || outcome === "deselected";

/** `219 passed, 0 failed, 12 not run, in 900 s`. */
export function summary({ specs, seconds }: { specs: Spec[]; seconds: number }): string {
  const count = (matches: (spec: Spec) => boolean) => specs.filter(matches).length;
  const of = (outcome: Spec["outcome"]) => count((spec) => spec.outcome === outcome);
  return `${of("passed")} passed, ${of("failed")} failed, ${
    count(({ outcome }) => without(outcome))
  } not run, in ${seconds} s`;
}

/** A line for each spec that failed, that did not run for no known reason, and for each reason that no longer holds. */
export function faults(specs: Spec[], list: NotRun[]): string[] {
  const lines: string[] = [];
  for (const { name, outcome, reason } of specs) {
    if (outcome === "failed") lines.push(`failed: ${name}\n${firstLines(reason)}`);
    else if (without(outcome) && !list.some(({ part }) => name.includes(part))) {
      lines.push(`not run, and no reason is known: ${name}${reason && `: ${reason}`}`);
    }
  }
  for (const { part, count } of list) {
    const found = specs.filter(({ name }) => name.includes(part));
    const ran = found.filter(({ outcome }) => !without(outcome));
    if (found.length !== count) lines.push(`"${part}" is in the names of ${found.length} specs, not of ${count}`);
    if (ran.length > 0) lines.push(`"${part}" is given a reason for not being run, but ran`);
  }
  return lines;
}

/** Each spec that did not run, with its reason. */
export function reasons(specs: Spec[], list: NotRun[]): string[] {
  return specs.filter(({ outcome }) => without(outcome)).map(({ name, reason }) =>
    `not run: ${name}: ${list.find(({ part }) => name.includes(part))?.why ?? reason}`
  );
}

/** What leaves the listed specs out. */
export function skipPattern(list: NotRun[]): string {
  return list.map(({ part }) => part.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&")).join("|");
}

const firstLines = (text: string) =>
  text.split("\n").filter((line) => line.trim() !== "").slice(0, LINES_OF_A_FAILURE).map((line) => `    ${line}`)
    .join("\n");
