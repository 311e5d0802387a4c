/** A disk whose power can be cut: a file system over a loop device in a node's mount namespace. */
import { run } from "../support/command.ts";
import type { TestNode } from "../support/node.ts";

const SIZE = "400M";

export class Disk implements AsyncDisposable {
  readonly mountPoint: string;
  #file: string;
  #program: string;
  #isCut = false;

  private constructor(readonly node: TestNode, readonly kind: "ext4" | "xfs") {
    this.mountPoint = `${node.root}/disk`;
    this.#file = `${node.dir}/disk.img`;
    this.#program = `${node.dir}/power_cut`;
  }

  static async make(node: TestNode, kind: "ext4" | "xfs"): Promise<Disk> {
    const disk = new Disk(node, kind);
    await run("gcc", ["-O2", "-Wall", "-o", disk.#program, new URL("power_cut.c", import.meta.url).pathname]);
    await run("truncate", ["-s", SIZE, disk.#file]);
    await run(`/usr/sbin/mkfs.${kind}`, ["-q", disk.#file]);
    await Deno.mkdir(disk.mountPoint);
    await disk.again();
    return disk;
  }

  /** From now on nothing reaches the disk any more, and every call that needs it fails. */
  async cut(): Promise<void> {
    await this.node.holder.run(this.#program, this.mountPoint);
    this.#isCut = true;
  }

  /** The file system as it is after the next boot. */
  async again(): Promise<void> {
    if (this.#isCut) await this.node.holder.run("umount", this.mountPoint);
    this.#isCut = false;
    await this.node.holder.run("mount", "-o", "loop", this.#file, this.mountPoint);
  }

  /** Takes away a folder in memory with what is mounted in it. */
  async forget(folder: string): Promise<void> {
    const script =
      `cut -d' ' -f5 /proc/self/mountinfo | grep -E "^$0(/|$)" | sort -r | while read -r at; do umount -l "$at"; done
rm -rf --one-file-system "$0"`;
    await this.node.holder.run("sh", "-c", script, folder);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.node.holder.tryRun("umount", this.mountPoint);
  }
}
