import { concat as concatAll } from "@std/bytes";

export { concatAll };
export const concat = (...parts: Uint8Array[]): Uint8Array<ArrayBuffer> => concatAll(parts);
