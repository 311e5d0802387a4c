import { Code, RpcError } from "../rpc/status.ts";
import type { DownloadedImage } from "./download.ts";
import { formatReference, type Reference, repositoryName } from "./reference.ts";
import type { ImageRecord } from "./types.ts";

/**
 * The row of a downloaded image under one more name.
 * @param existing the row before, if the image was here.
 * @param layerBytes space that its layers take.
 */
export function namedRecord(
  reference: Reference,
  { id, digest, config }: Pick<DownloadedImage, "id" | "digest" | "config">,
  existing: ImageRecord | undefined,
  layerBytes: (diffIds: string[]) => number,
): { record: ImageRecord; tag: string | undefined } {
  if (!existing && !config) {
    throw new RpcError(Code.ABORTED, `the image ${id} was removed while it was pulled; pull it again`);
  }
  // A digest pins the content, whatever tag stands beside it: the tag may have moved on since.
  const tag = reference.digest === undefined ? formatReference(reference) : undefined;
  const repoDigest = `${repositoryName(reference)}@${digest}`;
  // What was another store's alone becomes an image of this node, too: with this row.
  const { store: _, ...known } = existing ?? {} as Partial<ImageRecord>;
  const base: Omit<ImageRecord, "store"> = existing ? known as ImageRecord : {
    id,
    repoTags: [],
    repoDigests: [],
    layers: config!.diffIds,
    size: layerBytes([...new Set(config!.diffIds)]) + config!.text.length,
    defaults: config!.defaults,
    labels: config!.labels,
    config: config!.text,
    ...(config!.artifact && { artifact: config!.artifact }),
    pinned: false,
    pulledAt: BigInt(Date.now()) * 1_000_000n,
  };
  const record: ImageRecord = {
    ...base,
    repoTags: sortedSet([...base.repoTags, ...(tag === undefined ? [] : [tag])]),
    repoDigests: sortedSet([...base.repoDigests, repoDigest]),
  };
  return { record, tag };
}

function sortedSet(names: string[]): string[] {
  return [...new Set(names)].sort();
}
