import { messageOf } from "../../rpc/status.ts";
import type { Kernel } from "../../sys/mod.ts";
import { digestHex } from "../digest.ts";
import type { Signature } from "./types.ts";

/** What was known of an image's signatures when it was pulled. */
export interface KeptSignatures {
  /** Of the manifest, and of the index that led to it. */
  digests: string[];
  signatures: Signature[];
}

const MAX_FILE = 64 << 20;

/**
 * Signatures of the images on this node, a file for each digest that images are known by: containers are created without
 * asking the network, under a policy that may be another one than at the pull.
 */
export class SignatureFiles {
  readonly folder: string;
  #kernel: Kernel;

  constructor(root: string, kernel: Kernel) {
    this.folder = `${root}/signatures`;
    this.#kernel = kernel;
  }

  read(digest: string): KeptSignatures | undefined {
    const path = this.#path(digest);
    if (!this.#kernel.exists(path)) return undefined;
    try {
      return JSON.parse(this.#kernel.readText(path, MAX_FILE)) as KeptSignatures;
    } catch (error) {
      throw new Error(`cannot read ${path}: ${messageOf(error)}; remove the file and pull the image again`);
    }
  }

  write(digest: string, kept: KeptSignatures): void {
    this.#kernel.mkdirs(this.folder, 0o700);
    this.#kernel.replaceFile(this.#path(digest), JSON.stringify(kept), 0o600);
  }

  remove(digest: string): void {
    this.#kernel.unlinkIfExists(this.#path(digest));
  }

  /** Removes what belongs to no image. */
  keepOnly(digests: Set<string>): void {
    if (!this.#kernel.exists(this.folder)) return;
    const wanted = new Set([...digests].map((digest) => `${digestHex(digest)}.json`));
    for (const { name } of this.#kernel.readDirectory(this.folder, Number.MAX_SAFE_INTEGER)) {
      if (!wanted.has(name)) this.#kernel.unlinkIfExists(`${this.folder}/${name}`);
    }
  }

  #path(digest: string): string {
    return `${this.folder}/${digestHex(digest)}.json`;
  }
}
