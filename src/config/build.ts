declare const SKIFF_VERSION: string | undefined;
declare const SKIFF_COMMIT: string | undefined;

/** Which build this is: `version` is semver, `commit` the short commit, with `-dirty` when the tree had changes. scripts/bundle.ts bakes both in. */
export const build: { readonly version: string; readonly commit: string } = {
  version: typeof SKIFF_VERSION === "undefined" ? "0.0.0-source" : SKIFF_VERSION,
  commit: typeof SKIFF_COMMIT === "undefined" ? "unknown" : SKIFF_COMMIT,
};
