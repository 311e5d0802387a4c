import { Code, RpcError } from "../rpc/status.ts";
import type { IndexEntry } from "./documents.ts";
import { formatPlatform, type Platform, selectPlatform } from "./platform.ts";
import { formatReference, parseReference, type Reference } from "./reference.ts";

/** Which manifests of a layout's index are to be imported, and under which names. */
export function chooseImages(
  entries: IndexEntry[],
  wanted: Reference | undefined,
  platform: Platform,
): { reference: Reference; digest: string }[] {
  if (entries.length === 0) throw new RpcError(Code.FAILED_PRECONDITION, "the layout has no images");
  const groups = new Map<string, IndexEntry[]>();
  for (const entry of entries) {
    const name = entry.imageName ?? entry.refName ?? "";
    groups.set(name, [...(groups.get(name) ?? []), entry]);
  }
  if (wanted) {
    if (groups.size === 1) return [{ reference: wanted, digest: select(entries, platform, formatReference(wanted)) }];
    const tagged = groups.get(wanted.tag ?? "") ?? groups.get(formatReference(wanted));
    if (tagged) return [{ reference: wanted, digest: select(tagged, platform, formatReference(wanted)) }];
    throw new RpcError(
      Code.INVALID_ARGUMENT,
      `the layout has several images (${[...groups.keys()].join(", ")}), so one name for it will not do`,
    );
  }
  return [...groups].map(([name, group]) => ({ reference: fullName(name), digest: select(group, platform, name) }));
}

/** A layout may name an image by its tag alone: that is not enough to know it by. */
function fullName(name: string): Reference {
  if (/[/:]/.test(name)) return parseReference(name);
  const what = name === "" ? "has an image without a name" : `names an image only by its tag ${JSON.stringify(name)}`;
  throw new RpcError(Code.INVALID_ARGUMENT, `the layout ${what}; say under which name to import it`);
}

function select(entries: IndexEntry[], platform: Platform, name: string): string {
  const chosen = selectPlatform(entries, platform) ?? entries.find((entry) => !entry.platform);
  if (chosen) return chosen.digest;
  throw new RpcError(Code.NOT_FOUND, `the layout has no image ${JSON.stringify(name)} for ${formatPlatform(platform)}`);
}
