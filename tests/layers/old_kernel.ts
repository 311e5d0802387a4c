/** The compiled binary on a kernel that cannot do some things, by old_kernel.c. */
import { run } from "../support/command.ts";
import { Instance, type InstanceOptions } from "../support/instance.ts";
import type { TestNode } from "../support/node.ts";

export interface Storage {
  layers: string;
  overlay: string;
  idmapped: boolean;
  why: string;
}

export class OldKernel extends Instance {
  /** @param calls letters of what the kernel lacks, see old_kernel.c. */
  constructor(node: TestNode, private calls: string, options: InstanceOptions = {}) {
    super(node, { title: `without-${calls}`, ...options });
  }

  protected override command() {
    const { program, args, env } = super.command();
    return this.calls === ""
      ? { program, args, env }
      : { program: shimOf(this.node), args: [this.calls, program, ...args], env };
  }

  /** Restarts on a kernel that lacks something else. */
  async moveTo(calls: string): Promise<void> {
    await this.stop();
    this.calls = calls;
    await this.start();
  }

  /** What Status says of it. */
  async storage(): Promise<Storage> {
    return JSON.parse((await this.client.status({ verbose: true })).info.storage);
  }
}

const shimOf = (node: TestNode) => `${node.dir}/old_kernel`;

/** Before the first {@link OldKernel} of the node starts. */
export async function buildShim(node: TestNode): Promise<void> {
  await run("gcc", ["-O2", "-Wall", "-o", shimOf(node), new URL("old_kernel.c", import.meta.url).pathname]);
}
