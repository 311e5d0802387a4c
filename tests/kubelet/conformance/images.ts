/**
 * What stands in for the images that Kubernetes' own tests run. agnhost is the published one's program, built from the same
 * source; around it, and in the others, is what Debian has instead of what Alpine has.
 */
import { path as searchPath } from "../../images/busybox.ts";
import { hostPrograms } from "../../images/host_program.ts";
import { type Image, image, type Layer, layer, type RunConfig } from "../../images/image.ts";
import { pauseImage } from "../../images/pause.ts";
import { programImage } from "../../images/program.ts";
import type { Entry } from "../../images/tar.ts";
import { baseLayer, group, passwd, program } from "../../critest/images/base.ts";
import type { StandIn } from "../../critest/images/catalog.ts";
import { programs as compiledPrograms } from "../../critest/images/programs.ts";
import { imageReference } from "../images.ts";
import { programs } from "../options.ts";

const host = imageReference("pause").split("/")[0];
const e2e = "e2e-test-images";

/** The file that KUBE_TEST_REPO_LIST names. What is left out keeps its name, and is not to be had. */
export const repositoryList = `promoterE2eRegistry: ${host}/${e2e}\ngcRegistry: ${host}\n`;

export async function conformanceImages(): Promise<StandIn[]> {
  const compiled = await compiledPrograms();
  const base = layer(await baseLayer(compiled));
  const busybox = (config: RunConfig = {}, ...more: Layer[]) =>
    image([base, ...more], { Env: [searchPath], Cmd: ["sh"], ...config });
  const agnhost = await agnhostLayers();
  const withAgnhost = (config: RunConfig, ...more: Layer[]) =>
    image([base, ...agnhost, ...more], { Env: [searchPath], Entrypoint: ["/agnhost"], ...config });
  // A version of its own needs content of its own, or it is the same image twice.
  const marked = (mark: string) => layer([{ path: "etc/stand-in", data: `${mark}\n` }]);
  const nginx = (version: string) =>
    busybox(
      { Cmd: ["nginx"] },
      layer([...folders("usr/sbin", "var/run"), program("usr/sbin/nginx", compiled.web_server)]),
      marked(version),
    );

  return [
    // iperf, socat, dig and coredns are missing in it: no spec of node conformance calls them.
    { repository: `${e2e}/agnhost`, tags: ["2.66.1"], image: withAgnhost({ Cmd: ["pause"] }) },
    // Today's program under the name of an older one: specs only tell the two images apart.
    { repository: `${e2e}/agnhost`, tags: ["2.55"], image: withAgnhost({ Cmd: ["pause"] }, marked("2.55")) },
    { repository: `${e2e}/busybox`, tags: ["1.37.0-2"], image: busybox() },
    // Not nginx: a small server that answers on port 80.
    { repository: `${e2e}/nginx`, tags: ["1.27.0-2"], image: nginx("1.27.0-2") },
    { repository: `${e2e}/nginx`, tags: ["1.28.0-2"], image: nginx("1.28.0-2") },
    { repository: `${e2e}/nonroot`, tags: ["1.5"], image: busybox({ User: "1234" }) },
    {
      repository: `${e2e}/nonewprivs`,
      tags: ["1.4"],
      image: busybox(
        { Cmd: ["nnp"] },
        layer([...folders("usr/local", "usr/local/bin"), program("usr/local/bin/nnp", compiled.effective_uid, 0o6755)]),
      ),
    },
    { repository: `${e2e}/ipc-utils`, tags: ["1.4"], image: busybox({}, marked("ipc-utils")) },
    { repository: `${e2e}/glibc-dns-testing`, tags: ["2.1.1"], image: busybox({}, marked("glibc-dns-testing")) },
    { repository: `${e2e}/kitten`, tags: ["1.8"], image: withAgnhost({ Cmd: ["test-webserver"] }, page("kitten")) },
    { repository: "pause", tags: ["3.10.2"], image: await pauseImage() },
  ];
}

async function agnhostLayers(): Promise<Layer[]> {
  const { layers } = await programImage("agnhost", `${programs}/agnhost`);
  const around: Entry[] = [
    ...await hostPrograms(["/usr/bin/curl", "/bin/nc.openbsd", "/bin/bash"]),
    { path: "bin/nc", type: "1", link: "bin/nc.openbsd" },
    { path: "agnhost-2", type: "2", link: "agnhost" },
    { path: "uploads", type: "5" },
    { path: "home/user-defined-in-image", type: "5", uid: 1000, gid: 1000 },
    { path: "etc/passwd", data: `${passwd}user-defined-in-image:x:1000:1000::/home/user-defined-in-image:/bin/sh\n` },
    {
      path: "etc/group",
      data: `${group}user-defined-in-image:x:1000:\ngroup-defined-in-image:x:50000:user-defined-in-image\n`,
    },
    ...registryContent("pause", "testing", await pauseImage()),
  ];
  return [layers[1], layer(around)];
}

/** What agnhost's registry serves, in the folders where it looks for it. */
function registryContent(name: string, tag: string, { layers, config, manifest }: Image): Entry[] {
  const folder = `var/registry/${name}`;
  const paths: Entry[] = [];
  const put = (kind: string, digest: string, content: Uint8Array | { file: string }) => {
    const data = content instanceof Uint8Array ? content : Deno.readFileSync(content.file);
    const [algorithm, hash] = digest.split(":");
    const parts = [folder, kind, algorithm, hash.slice(0, 2), hash];
    for (let length = 2; length <= parts.length; length++) {
      paths.push({ path: parts.slice(0, length).join("/"), type: "5" });
    }
    paths.push({ path: `${parts.join("/")}/data`, data });
  };
  for (const { digest, content } of [...layers, config]) put("blobs", digest, content);
  put("manifests", manifest.digest, manifest.content);
  return [...folders("var/registry", folder), ...paths, {
    path: `${folder}/manifests/${tag}`,
    data: `${manifest.digest}\n`,
  }];
}

const page = (name: string) => layer([{ path: "data.json", data: JSON.stringify({ image: `${name}.jpg` }) }]);
const folders = (...paths: string[]) => paths.map((path): Entry => ({ path, type: "5" }));
