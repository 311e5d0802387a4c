/** Name of the file, in a staging folder, that the layer of a stream is written to. */
export function partName(stream: number): string {
  return `layer-${stream}.part`;
}
