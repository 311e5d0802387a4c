import type { RuntimeFeatures } from "./types.ts";

export const NO_FEATURES: RuntimeFeatures = {
  recursiveReadOnlyMounts: false,
  idmappedMounts: false,
  userNamespaces: false,
};

/** The first crun that was seen to do all of it; it has no `features` command before 1.10. */
const CRUN_WITH_ALL = [1, 8];

/** What `<runtime> features` prints (OCI runtime specification, features.md). Undefined for anything else. */
export function parseFeatures(output: string): RuntimeFeatures | undefined {
  try {
    const { mountOptions, linux } = JSON.parse(output);
    return {
      recursiveReadOnlyMounts: includes(mountOptions, "rro"),
      idmappedMounts: linux?.mountExtensions?.idmap?.enabled === true,
      userNamespaces: includes(linux?.namespaces, "user"),
    };
  } catch {
    // No such command: its help or a complaint.
    return undefined;
  }
}

/** For a runtime without the `features` command, by the line that `--version` prints first. */
export function featuresOfVersion(line: string): RuntimeFeatures {
  const [, major, minor] = /^crun version (\d+)\.(\d+)/.exec(line) ?? [];
  if (major === undefined) return NO_FEATURES;
  const [atLeastMajor, atLeastMinor] = CRUN_WITH_ALL;
  const has = Number(major) > atLeastMajor || (Number(major) === atLeastMajor && Number(minor) >= atLeastMinor);
  return { recursiveReadOnlyMounts: has, idmappedMounts: has, userNamespaces: has };
}

function includes(list: unknown, word: string): boolean {
  return Array.isArray(list) && list.includes(word);
}
