import { type SecurityProfile, SecurityProfile_ProfileType as ProfileType } from "../../../proto/gen/runtime/v1/api.ts";
import { invalid, quote } from "../refusal.ts";
import type { Section } from "./section.ts";

const LOADED_PROFILES = "/sys/kernel/security/apparmor/profiles";
const LOADED_PROFILES_LIMIT = 4 << 20;

/** Name of the AppArmor profile, or undefined for none. A profile that was named must be there. */
export function apparmorProfile(section: Section): string | undefined {
  const { security, input: { node }, notes } = section;
  const profile = security.apparmor ?? deprecatedProfile(security.apparmorProfile);
  if (!profile || profile.profileType === ProfileType.Unconfined) return undefined;
  if (profile.profileType === ProfileType.RuntimeDefault) {
    if (node.apparmor && !security.privileged) {
      notes.push("AppArmor profile RuntimeDefault has no effect: skiff brings none");
    }
    return undefined;
  }
  const name = profile.localhostRef.replace(/^localhost\//, "");
  if (name === "") throw invalid("apparmor.localhost_ref", "it is empty");
  if (!node.apparmor) {
    throw invalid("apparmor", `profile ${quote(name)} cannot be applied: the kernel of this node has no AppArmor`);
  }
  if (!isLoaded(section, name)) throw invalid("apparmor", `profile ${quote(name)} is not loaded on this node`);
  return name;
}

function isLoaded({ kernel }: Section, name: string): boolean {
  const text = kernel.readText(LOADED_PROFILES, LOADED_PROFILES_LIMIT);
  return text.split("\n").some((line) => line.replace(/ \([a-z]+\)$/, "") === name);
}

function deprecatedProfile(text: string): SecurityProfile | undefined {
  if (text === "") return undefined;
  if (text === "runtime/default") return { profileType: ProfileType.RuntimeDefault, localhostRef: "" };
  if (text === "unconfined") return { profileType: ProfileType.Unconfined, localhostRef: "" };
  if (text.startsWith("localhost/")) return { profileType: ProfileType.Localhost, localhostRef: text };
  throw invalid("apparmor_profile", `${quote(text)} is none of runtime/default, unconfined, localhost/<name>`);
}
