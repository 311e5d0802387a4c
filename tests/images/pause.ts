/** The sandbox image that the peer needs and we don't. */
import { run } from "../support/command.ts";
import { exists, tools } from "../support/tools.ts";
import { type Image, image, layer } from "./image.ts";
import { path } from "./busybox.ts";

export async function pauseImage(): Promise<Image> {
  const program = `${tools.images}/pause`;
  if (!exists(program)) {
    await Deno.mkdir(tools.images, { recursive: true });
    await run("gcc", ["-static", "-Os", "-s", "-o", program, new URL("pause.c", import.meta.url).pathname]);
  }
  return image([layer([{ path: "pause", mode: 0o755, data: await Deno.readFile(program) }])], {
    Env: [path],
    Entrypoint: ["/pause"],
  });
}
