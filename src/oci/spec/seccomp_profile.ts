import { invalid, quote } from "../refusal.ts";

/** A profile as it is written by hand: the OCI form, or the one with `archMap`, `includes` and `excludes` that Docker reads. */
export interface SeccompProfile {
  defaultAction: string;
  defaultErrnoRet?: number;
  architectures?: string[];
  archMap?: { architecture: string; subArchitectures?: string[] | null }[];
  flags?: string[];
  syscalls?: SeccompRule[];
}

export interface SeccompRule {
  names?: string[];
  /** Older form of `names`. */
  name?: string;
  action: string;
  errnoRet?: number;
  args?: { index: number; value: number; valueTwo?: number; op: string }[];
  includes?: SeccompCondition;
  excludes?: SeccompCondition;
}

export interface SeccompCondition {
  caps?: string[];
  arches?: string[];
  minKernel?: string;
}

/** What the conditions of a profile are judged by. */
export interface SeccompFacts {
  capabilities: string[];
  /** As Deno.build.arch says. */
  architecture: string;
  kernelVersion: [number, number];
}

/** linux.seccomp of config.json. */
export interface OciSeccomp {
  defaultAction: string;
  defaultErrnoRet?: number;
  architectures?: string[];
  flags?: string[];
  syscalls: { names: string[]; action: string; errnoRet?: number; args?: SeccompRule["args"] }[];
}

const ARCHITECTURES: Record<string, { seccomp: string; go: string }> = {
  x86_64: { seccomp: "SCMP_ARCH_X86_64", go: "amd64" },
  aarch64: { seccomp: "SCMP_ARCH_AARCH64", go: "arm64" },
};

/** SCMP_ACT_NOTIFY is not among them: it needs somebody who answers. */
const ACTIONS: ReadonlySet<string> = new Set([
  "SCMP_ACT_KILL",
  "SCMP_ACT_KILL_PROCESS",
  "SCMP_ACT_KILL_THREAD",
  "SCMP_ACT_TRAP",
  "SCMP_ACT_ERRNO",
  "SCMP_ACT_TRACE",
  "SCMP_ACT_ALLOW",
  "SCMP_ACT_LOG",
]);

const OPERATORS: ReadonlySet<string> = new Set(
  ["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"].map((name) => `SCMP_CMP_${name}`),
);

const RULES_MAX = 10_000;

/** The rules that hold for a container, in the form that runtimes read. */
export function resolveProfile(profile: SeccompProfile, facts: SeccompFacts): OciSeccomp {
  const { seccomp, go } = ARCHITECTURES[facts.architecture] ?? { seccomp: "", go: facts.architecture };
  const mapped = profile.archMap?.find(({ architecture }) => architecture === seccomp);
  const architectures = mapped ? [mapped.architecture, ...(mapped.subArchitectures ?? [])] : profile.architectures;
  return {
    defaultAction: profile.defaultAction,
    ...(profile.defaultErrnoRet !== undefined && { defaultErrnoRet: profile.defaultErrnoRet }),
    ...(architectures && architectures.length > 0 && { architectures }),
    ...(profile.flags && profile.flags.length > 0 && { flags: profile.flags }),
    syscalls: (profile.syscalls ?? []).filter((rule) => holds(rule, facts, go)).map((
      { names, name, action, errnoRet, args },
    ) => ({
      names: names ?? [name!],
      action,
      ...(errnoRet !== undefined && { errnoRet }),
      ...(args && args.length > 0 && { args }),
    })),
  };
}

function holds(
  { includes = {}, excludes = {} }: SeccompRule,
  { capabilities, kernelVersion }: SeccompFacts,
  architecture: string,
): boolean {
  const has = (names: string[]) => names.some((name) => capabilities.includes(name));
  if (includes.arches?.length && !includes.arches.includes(architecture)) return false;
  if (excludes.arches?.includes(architecture)) return false;
  if (includes.caps?.length && !has(includes.caps)) return false;
  if (excludes.caps && has(excludes.caps)) return false;
  if (includes.minKernel && !isAtLeast(kernelVersion, includes.minKernel)) return false;
  return !(excludes.minKernel && isAtLeast(kernelVersion, excludes.minKernel));
}

function isAtLeast([major, minor]: [number, number], wanted: string): boolean {
  const [wantedMajor, wantedMinor] = wanted.split(".").map(Number);
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}

/** Reads the JSON of a profile from the node; RpcError INVALID_ARGUMENT that names the place of the first mistake. */
export function parseProfile(field: string, text: string): SeccompProfile {
  let profile: SeccompProfile;
  try {
    profile = JSON.parse(text);
  } catch (cause) {
    throw invalid(field, "it is not JSON", cause);
  }
  if (typeof profile !== "object" || profile === null || Array.isArray(profile)) {
    throw invalid(field, "it is not a JSON object");
  }
  checkAction(field, "defaultAction", profile.defaultAction);
  checkStrings(field, "architectures", profile.architectures);
  checkStrings(field, "flags", profile.flags);
  checkArray(field, "archMap", profile.archMap);
  const rules = checkArray(field, "syscalls", profile.syscalls);
  if (rules.length > RULES_MAX) throw invalid(field, `it has ${rules.length} rules; at most ${RULES_MAX} are taken`);
  rules.forEach((rule, index) => checkRule(field, `syscalls[${index}]`, rule));
  return profile;
}

function checkRule(field: string, place: string, rule: SeccompRule): void {
  if (typeof rule !== "object" || rule === null) throw invalid(field, `${place} is not an object`);
  checkAction(field, `${place}.action`, rule.action);
  if (rule.names === undefined && typeof rule.name !== "string") throw invalid(field, `${place} has no names`);
  checkStrings(field, `${place}.names`, rule.names);
  for (const argument of checkArray(field, `${place}.args`, rule.args)) {
    const { index, value, op } = argument ?? {};
    if (!Number.isInteger(index) || index < 0 || index > 5) throw invalid(field, `${place}.args: index is not 0 to 5`);
    if (typeof value !== "number" || value < 0) throw invalid(field, `${place}.args: value is not a number`);
    if (!OPERATORS.has(op)) throw invalid(field, `${place}.args: ${quote(String(op))} is not an operator`);
  }
  for (const [name, condition] of [["includes", rule.includes], ["excludes", rule.excludes]] as const) {
    checkStrings(field, `${place}.${name}.caps`, condition?.caps);
    checkStrings(field, `${place}.${name}.arches`, condition?.arches);
  }
}

function checkAction(field: string, place: string, action: unknown): void {
  if (typeof action !== "string" || !ACTIONS.has(action)) {
    throw invalid(field, `${place} ${quote(String(action))} is not an action`);
  }
}

function checkStrings(field: string, place: string, value: unknown): void {
  if (checkArray(field, place, value as unknown[]).some((entry) => typeof entry !== "string")) {
    throw invalid(field, `${place} is not a list of words`);
  }
}

function checkArray<T>(field: string, place: string, value: T[] | null | undefined): T[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw invalid(field, `${place} is not a list`);
  return value;
}
