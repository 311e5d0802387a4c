/** True for the name of a layer's file in a store. */
export function isLayerFile(name: string): boolean {
  return /^[0-9a-f]{64}\.erofs$/.test(name);
}

/** Name of the file, in a staging folder, that the layer of a stream is written to. */
export function partName(stream: number): string {
  return `layer-${stream}.part`;
}

/** Name of the file beside it for the layer as it came, where that is kept. */
export function blobPartName(stream: number): string {
  return `blob-${stream}.part`;
}

/** Name of the file beside it that describes the layer, once that is whole. */
export function noteName(stream: number): string {
  return `layer-${stream}.json`;
}
