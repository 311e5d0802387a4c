import { createHash } from "node:crypto";
import type { Answer } from "./answers.ts";
import type { ServedLayer } from "./types.ts";

const CHUNK = 256 << 10;

/**
 * The bytes of layers, from their files. Nothing is sent to its end before the whole of its layer was compared with its
 * digest, and no part of a layer at all before that.
 */
export class Content {
  #onDamage: (layer: ServedLayer) => void;
  /** By digest and file: layers never change. */
  #verified = new Map<string, string>();
  #verifying = new Map<string, Promise<void>>();

  constructor(onDamage: (layer: ServedLayer) => void) {
    this.#onDamage = onDamage;
  }

  async *read({ blob, start, end }: NonNullable<Answer["body"]>): AsyncGenerator<Uint8Array> {
    if (blob instanceof Uint8Array) return yield blob.subarray(start, end);
    if (this.#verified.get(blob.digest) === blob.file) return yield* pieces(blob, start, end);
    if (start > 0 || end < blob.size) {
      await this.#verify(blob);
      return yield* pieces(blob, start, end);
    }
    const hash = createHash("sha256");
    let held: Uint8Array | undefined;
    for await (const piece of pieces(blob, 0, blob.size)) {
      hash.update(piece);
      if (held) yield held;
      held = piece;
    }
    this.#judge(blob, hash.digest("hex"));
    if (held) yield held;
  }

  /** Nothing more is known of a layer that went. */
  forget(digest: string): void {
    this.#verified.delete(digest);
  }

  async #verify(layer: ServedLayer): Promise<void> {
    const running = this.#verifying.get(layer.digest);
    if (running) return await running;
    const work = this.#readThrough({ blob: layer, digest: layer.digest, start: 0, end: layer.size });
    this.#verifying.set(layer.digest, work);
    try {
      await work;
    } finally {
      this.#verifying.delete(layer.digest);
    }
  }

  async #readThrough(body: NonNullable<Answer["body"]>): Promise<void> {
    for await (const _ of this.read(body));
  }

  #judge(layer: ServedLayer, hex: string): void {
    if (`sha256:${hex}` !== layer.digest) {
      this.#onDamage(layer);
      throw new Error(`${layer.file} is damaged: it is not ${layer.digest}`);
    }
    this.#verified.set(layer.digest, layer.file);
  }
}

async function* pieces({ file: path, offset }: ServedLayer, start: number, end: number): AsyncGenerator<Uint8Array> {
  using file = await Deno.open(path);
  await file.seek(offset + start, Deno.SeekMode.Start);
  for (let left = end - start; left > 0;) {
    const buffer = new Uint8Array(Math.min(CHUNK, left));
    const count = await file.read(buffer);
    if (count === null) throw new Error(`${path} is shorter than it was when it was written`);
    left -= count;
    yield buffer.subarray(0, count);
  }
}
