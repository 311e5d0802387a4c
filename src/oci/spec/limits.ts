import { invalid } from "../refusal.ts";
import type { NodeLimits } from "../types.ts";
import type { Section } from "./section.ts";

const OOM_SCORE_ADJ_MIN = -1000;
const OOM_SCORE_ADJ_MAX = 1000;

/** What programs in containers may expect, however the daemon itself was started. */
const OPEN_FILES = 1048576;

/** oom_score_adj of the request; never left to be inherited from the daemon, never below what can be written here. */
export function oomScoreAdj({ resources, input: { node }, notes }: Section): number {
  const wanted = Number(resources.oomScoreAdj);
  if (wanted < OOM_SCORE_ADJ_MIN || wanted > OOM_SCORE_ADJ_MAX) {
    throw invalid("oom_score_adj", `${wanted} is not between ${OOM_SCORE_ADJ_MIN} and ${OOM_SCORE_ADJ_MAX}`);
  }
  return clampOomScoreAdj(wanted, node, notes);
}

export function clampOomScoreAdj(wanted: number, node: NodeLimits, notes: string[]): number {
  if (wanted >= node.minOomScoreAdj) return wanted;
  notes.push(`oom_score_adj ${wanted} becomes ${node.minOomScoreAdj}: lowering it further needs CAP_SYS_RESOURCE`);
  return node.minOomScoreAdj;
}

export function rlimits({ input: { node } }: Section): { type: string; soft: number; hard: number }[] {
  return [clampRlimit({ type: "RLIMIT_NOFILE", soft: OPEN_FILES, hard: OPEN_FILES }, node)];
}

/** A limit above the daemon's own hard limit needs CAP_SYS_RESOURCE: lowered to what can be set. */
export function clampRlimit<T extends { type: string; soft: number; hard: number }>(limit: T, node: NodeLimits): T {
  const most = node.capabilities.includes("CAP_SYS_RESOURCE") ? Infinity : node.rlimits[limit.type]?.hard ?? Infinity;
  const hard = Math.min(limit.hard, most);
  return { ...limit, hard, soft: Math.min(limit.soft, hard) };
}
