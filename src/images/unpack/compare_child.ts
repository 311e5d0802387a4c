import { messageOf } from "../../rpc/status.ts";
import { kernel, PR_SET_PDEATHSIG, SIGKILL, TreeReader } from "../../sys/mod.ts";
import { enterSandbox } from "../sandbox.ts";
import { sayLine } from "../say_line.ts";
import { compareFolder } from "./compare_folder.ts";
import { openImage } from "./image_file.ts";
import type { CompareEvent, FolderTask } from "./types.ts";

/**
 * `skiff __compare`: looks for what differs between a folder and the layer's image that it was made of, confined to the
 * folder by chroot(2) as `skiff __unpack` is.
 */
export async function main(_args: string[]): Promise<number> {
  try {
    kernel.prctl(PR_SET_PDEATHSIG, SIGKILL);
    const { image, folder, entries } = JSON.parse(await new Response(Deno.stdin.readable).text()) as FolderTask;
    const input = openImage(image);
    const tree = new TreeReader(folder);
    enterSandbox();
    say({ event: "done", ...compareFolder(input, tree, entries) });
    return 0;
  } catch (error) {
    say({ event: "error", message: messageOf(error) });
    return 1;
  }
}

function say(event: CompareEvent): void {
  sayLine(Deno.stderr, event);
}
