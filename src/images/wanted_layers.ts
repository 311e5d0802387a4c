import { Code, RpcError } from "../rpc/status.ts";
import { type Artifact, blobId } from "./artifact.ts";
import type { ParseEvent } from "./child_events.ts";
import type { Descriptor } from "./documents.ts";
import { type ImageConfig, NO_DEFAULTS } from "./image_config.ts";

/** What the document says whose digest is the image's ID. */
export type ImageContent = ImageConfig & { text: string; artifact?: Artifact };

/** A layer that an image needs, and the blob that it comes in. */
export interface WantedLayer {
  diffId: string;
  blob: Descriptor;
  /** Of an artifact's blob, which is no tar. */
  title?: string;
}

/** All that is known of an artifact stands in its manifest. */
export function artifactContent(
  { type, blobs, text }: Extract<ParseEvent, { event: "artifact" }>,
): { config: ImageContent; wanted: WantedLayer[] } {
  const wanted = new Map(blobs.map(({ title, blob }) => {
    const diffId = blobId({ title, digest: blob.digest });
    return [diffId, { diffId, blob, title }];
  }));
  const artifact = { type, blobs: blobs.map(({ title, blob: { digest, size } }) => ({ title, digest, size })) };
  const config = { diffIds: [...wanted.keys()], defaults: NO_DEFAULTS, labels: {}, text, artifact };
  return { config, wanted: [...wanted.values()] };
}

/** Every layer of a manifest with its diff ID, each once. @throws {RpcError} where there are more of one than of the other. */
export function pairLayers(diffIds: string[], blobs: Descriptor[]): WantedLayer[] {
  if (diffIds.length !== blobs.length) {
    throw new RpcError(
      Code.FAILED_PRECONDITION,
      `the manifest has ${blobs.length} layers, the config ${diffIds.length}`,
    );
  }
  const wanted = new Map(diffIds.map((diffId, index) => [diffId, { diffId, blob: blobs[index] }]));
  return [...wanted.values()];
}

/** As they are fetched, in bytes. */
export function packedBytes(layers: WantedLayer[]): number {
  return layers.reduce((bytes, { blob }) => bytes + blob.size, 0);
}

/** Two lists that are about as large, each in the order of the whole; the first is the larger one. */
export function halves(layers: WantedLayer[]): [WantedLayer[], WantedLayer[]] {
  const sides: [WantedLayer[], WantedLayer[]] = [[], []];
  for (const layer of layers.toSorted((a, b) => b.blob.size - a.blob.size)) {
    sides.sort((a, b) => packedBytes(a) - packedBytes(b));
    sides[0].push(layer);
  }
  sides.sort((a, b) => packedBytes(b) - packedBytes(a));
  return [layers.filter((layer) => sides[0].includes(layer)), layers.filter((layer) => sides[1].includes(layer))];
}
