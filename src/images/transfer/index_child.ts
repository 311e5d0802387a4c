import { messageOf } from "../../rpc/status.ts";
import { enterSandbox } from "../sandbox.ts";
import { ArchiveIndexer } from "./archive_index.ts";
import type { ArchiveAnswer } from "./types.ts";

/**
 * `skiff __index`: reads a tar with images, which somebody brought, from its standard input and says where in it everything
 * is. It has no libc, and gives up every permission first.
 */
export async function main(_args: string[]): Promise<number> {
  enterSandbox();
  const answer = index();
  const bytes = new TextEncoder().encode(JSON.stringify(answer));
  for (let done = 0; done < bytes.length;) done += await Deno.stdout.write(bytes.subarray(done));
  return 0;
}

function index(): ArchiveAnswer {
  const indexer = new ArchiveIndexer();
  const buffer = new Uint8Array(1 << 20);
  try {
    for (let count = Deno.stdin.readSync(buffer); count !== null; count = Deno.stdin.readSync(buffer)) {
      indexer.push(buffer.subarray(0, count));
    }
    return indexer.end();
  } catch (error) {
    return { error: messageOf(error) };
  }
}
