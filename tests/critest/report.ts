/** What a run of critest comes to, in words. */
import { onSkiff } from "../support/runtime_under_test.ts";
import { unexpectedSkips } from "./allowed_skips.ts";
import type { CritestResult } from "./critest.ts";
import type { Spec } from "./junit.ts";

const LINES_OF_A_FAILURE = 6;

/** `runc: 114 passed, 0 failed, 22 skipped`, from the JUnit file. */
export function summary({ options, specs }: CritestResult): string {
  const count = (outcome: Spec["outcome"]) => specs.filter((spec) => spec.outcome === outcome).length;
  const title = `${options.runtime}${options.websocket ? " over WebSocket" : ""}${
    options.focus ? ` (${options.focus})` : ""
  }`;
  return `${title}: ${count("passed")} passed, ${count("failed")} failed, ${count("skipped")} skipped`;
}

/** Everything that must not be: failures, skips that nobody allowed, what was left behind. */
export function faults({ options, specs, left }: CritestResult): string[] {
  return [
    ...specs.filter(({ outcome }) => outcome === "failed").map((spec) => `failed: ${spec.name}`),
    ...unexpectedSkips(specs, options.runtime, !onSkiff).map((spec) => `skipped: ${spec.name}: ${spec.reason}`),
    ...left.map((line) => `left behind: ${line}`),
  ];
}

/** Each failure's name and first lines, each skip's name and reason. */
export function details({ specs, left, seed, seconds, artifacts }: CritestResult): string {
  const lines: string[] = [];
  for (const { name, reason, seconds } of specs.filter(({ outcome }) => outcome === "failed")) {
    lines.push(`failed: ${name} (${seconds.toFixed(1)} s)`);
    const said = reason.split("\n").filter((line) => line.trim() !== "").slice(0, LINES_OF_A_FAILURE);
    lines.push(...said.map((line) => `    ${line}`));
  }
  for (const { name, reason } of specs.filter(({ outcome }) => outcome === "skipped")) {
    lines.push(`skipped: ${name}: ${reason}`);
  }
  lines.push(...left.map((line) => `left behind: ${line}`));
  lines.push(`seed ${seed}, ${seconds.toFixed(0)} s, output in ${artifacts}`);
  return lines.join("\n");
}
