import { Code, RpcError } from "../rpc/status.ts";
import type { DownloadedImage } from "./download.ts";
import { formatReference, type Reference, repositoryName } from "./reference.ts";
import type { ImageRecord, Original } from "./types.ts";

/** Manifests that one image may have come by, and be served under. */
const MAX_ORIGINALS = 8;

/**
 * The row of a downloaded image under one more name.
 * @param existing the row before, if the image was here.
 * @param bytesOf space that what is kept of it takes.
 */
export function namedRecord(
  reference: Reference,
  { id, digest, config, original }: Pick<DownloadedImage, "id" | "digest" | "config" | "original">,
  existing: ImageRecord | undefined,
  bytesOf: (image: Pick<ImageRecord, "layers" | "originals">) => number,
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
    size: 0,
    defaults: config!.defaults,
    labels: config!.labels,
    config: config!.text,
    ...(config!.artifact && { artifact: config!.artifact }),
    pinned: false,
    pulledAt: BigInt(Date.now()) * 1_000_000n,
  };
  const originals = original ? withOriginal(base.originals ?? [], original) : base.originals;
  const record: ImageRecord = {
    ...base,
    ...(originals && { originals }),
    repoTags: sortedSet([...base.repoTags, ...(tag === undefined ? [] : [tag])]),
    repoDigests: sortedSet([...base.repoDigests, repoDigest]),
  };
  record.size = bytesOf(record) + record.config.length;
  return { record, tag };
}

function withOriginal(before: Original[], added: Original): Original[] {
  return [...before.filter(({ documents }) => documents[0].digest !== added.documents[0].digest), added].slice(
    -MAX_ORIGINALS,
  );
}

function sortedSet(names: string[]): string[] {
  return [...new Set(names)].sort();
}
