import { type SecurityProfile, SecurityProfile_ProfileType as ProfileType } from "../../../proto/gen/runtime/v1/api.ts";
import type { Kernel } from "../../sys/kernel.ts";
import { Errno } from "../../sys/mod.ts";
import { invalid, quote } from "../refusal.ts";
import type { NodeLimits } from "../types.ts";
import { absolutePath } from "./paths.ts";
import { DEFAULT_PROFILE } from "./seccomp_default.ts";
import { type OciSeccomp, parseProfile, resolveProfile, type SeccompFacts } from "./seccomp_profile.ts";

const PROFILE_LIMIT = 1 << 20;

export interface SeccompRequest {
  profile: SecurityProfile | undefined;
  /** seccomp_profile_path, which `profile` has replaced. */
  deprecatedPath: string;
  privileged: boolean;
  /** Bounding set of the process: a call that belongs to a capability comes with it. */
  capabilities: string[];
}

/** linux.seccomp, or undefined for a process that may make every call: nothing asked for, Unconfined, or privileged. */
export function seccomp(
  request: SeccompRequest,
  kernel: Kernel,
  node: NodeLimits,
  notes: string[],
): OciSeccomp | undefined {
  const profile = request.profile ?? deprecatedProfile(request.deprecatedPath);
  if (request.privileged || !profile || profile.profileType === ProfileType.Unconfined) return undefined;
  const facts: SeccompFacts = {
    capabilities: request.capabilities,
    architecture: Deno.build.arch,
    kernelVersion: node.kernelVersion ?? [0, 0],
  };
  if (profile.profileType === ProfileType.RuntimeDefault) {
    if (node.seccomp) return resolveProfile(DEFAULT_PROFILE, facts);
    notes.push("seccomp RuntimeDefault has no effect: the kernel of this node has no seccomp filters");
    return undefined;
  }
  if (profile.profileType !== ProfileType.Localhost) {
    throw invalid("seccomp.profile_type", "it is none of RuntimeDefault, Unconfined, Localhost");
  }
  if (!node.seccomp) {
    throw invalid("seccomp", "a Localhost profile cannot be applied: the kernel of this node has no seccomp filters");
  }
  return resolveProfile(readProfile(kernel, profile.localhostRef), facts);
}

function readProfile(kernel: Kernel, reference: string) {
  const path = absolutePath("seccomp.localhost_ref", reference);
  try {
    return parseProfile(`seccomp profile ${quote(path)}`, kernel.readText(path, PROFILE_LIMIT));
  } catch (error) {
    if (error instanceof Errno) throw invalid("seccomp.localhost_ref", `profile ${quote(path)} cannot be read`, error);
    throw error;
  }
}

function deprecatedProfile(text: string): SecurityProfile | undefined {
  if (text === "") return undefined;
  if (text === "runtime/default" || text === "docker/default") {
    return { profileType: ProfileType.RuntimeDefault, localhostRef: "" };
  }
  if (text === "unconfined") return { profileType: ProfileType.Unconfined, localhostRef: "" };
  if (text.startsWith("localhost/")) {
    return { profileType: ProfileType.Localhost, localhostRef: text.slice("localhost/".length) };
  }
  throw invalid("seccomp_profile_path", `${quote(text)} is none of runtime/default, unconfined, localhost/<path>`);
}
