import { assertEquals } from "@std/assert";
import { ImageServiceDefinition, RuntimeServiceDefinition } from "../../proto/gen/runtime/v1/api.ts";

const root = new URL("../..", import.meta.url).pathname;

function hasBuf(): boolean {
  try {
    return Deno.statSync(`${root}node_modules/.bin/buf`).isFile;
  } catch {
    return false;
  }
}

/** Path and text of every file under a folder. */
async function textsUnder(folder: string, prefix = ""): Promise<Record<string, string>> {
  const texts: Record<string, string> = {};
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory) Object.assign(texts, await textsUnder(`${folder}/${name}`, `${prefix}${name}/`));
    else texts[prefix + name] = await Deno.readTextFile(`${folder}/${name}`);
  }
  return texts;
}

Deno.test({
  name: "proto/gen is what scripts/proto.ts makes of proto/ (needs node_modules/.bin/buf: run deno install)",
  ignore: !hasBuf(),
  fn: async () => {
    const scratch = await Deno.makeTempDir({ prefix: "skiff-proto-" });
    const folder = `${scratch}/gen`;
    try {
      const { success, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", `${root}scripts/proto.ts`, "--out", folder],
        // The script leaves buf's cache in the temporary folder.
        env: { TMPDIR: scratch },
        stdout: "null",
        stderr: "piped",
      }).output();
      assertEquals(success, true, new TextDecoder().decode(stderr));
      const [made, committed] = [await textsUnder(folder), await textsUnder(`${root}proto/gen`)];
      assertEquals(Object.keys(made).sort(), Object.keys(committed).sort());
      for (const [path, text] of Object.entries(made)) {
        assertEquals(committed[path] === text, true, `proto/gen/${path} is out of date: run deno task proto`);
      }
    } finally {
      await Deno.remove(scratch, { recursive: true });
    }
  },
});

/** The contract as published: RuntimeService and ImageService of CRI v1. */
const RUNTIME = [
  ..."Version RunPodSandbox StopPodSandbox RemovePodSandbox PodSandboxStatus ListPodSandbox StreamPodSandboxes".split(
    " ",
  ),
  ..."CreateContainer StartContainer StopContainer RemoveContainer ListContainers StreamContainers".split(" "),
  ..."ContainerStatus UpdateContainerResources ReopenContainerLog ExecSync Exec Attach PortForward".split(" "),
  ..."ContainerStats ListContainerStats StreamContainerStats PodSandboxStats ListPodSandboxStats".split(" "),
  ..."StreamPodSandboxStats UpdateRuntimeConfig Status CheckpointContainer CheckpointPod RestorePod".split(" "),
  ..."GetContainerEvents ListMetricDescriptors ListPodSandboxMetrics StreamPodSandboxMetrics".split(" "),
  ..."RuntimeConfig UpdatePodSandboxResources".split(" "),
];
const IMAGE = "ListImages StreamImages ImageStatus PullImage RemoveImage ImageFsInfo".split(" ");
const STREAMS = new Set([
  ..."StreamPodSandboxes StreamContainers StreamContainerStats StreamPodSandboxStats".split(" "),
  ..."GetContainerEvents StreamPodSandboxMetrics StreamImages".split(" "),
]);

Deno.test("the service descriptions have all 43 RPCs, streaming where the contract says so", () => {
  const methods = [RuntimeServiceDefinition, ImageServiceDefinition].flatMap(({ methods }) => Object.values(methods));
  assertEquals(RuntimeServiceDefinition.fullName, "runtime.v1.RuntimeService");
  assertEquals(ImageServiceDefinition.fullName, "runtime.v1.ImageService");
  assertEquals(methods.map(({ name }) => name as string), [...RUNTIME, ...IMAGE]);
  assertEquals(methods.length, 43);
  for (const { name, requestStream, responseStream } of methods) {
    assertEquals([requestStream, responseStream], [false, STREAMS.has(name)], name);
  }
});
