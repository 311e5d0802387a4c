/**
 * Stand-ins for every image that critest 1.37 pulls, under the names that it uses. All registries are mirrored to one, so
 * a name here is a path without its host.
 */
import { path as searchPath } from "../../images/busybox.ts";
import { goArchitecture, type Image, image, type Layer, layer, type RunConfig } from "../../images/image.ts";
import { pauseImage } from "../../images/pause.ts";
import type { Entry } from "../../images/tar.ts";
import { baseLayer, group, passwd, program } from "./base.ts";
import { programs } from "./programs.ts";

/** Hosts in the names that critest uses. */
export const registryHosts = ["registry.k8s.io", "k8s.gcr.io", "gcr.io", "public.ecr.aws", "docker.io"];

/** Image of the spec for images by digest: the digest is in critest's source, and no other content has it. */
export const digestSpec = "public image with digest should be pulled and removed";

const e2e = "e2e-test-images";
const staging = "k8s-staging-cri-tools";
const busyboxVariants = ["1.35.0-glibc", "1-uclibc", "1", "1-glibc", "1-musl"];

export interface StandIn {
  repository: string;
  tags: string[];
  image: Image;
}

export async function standIns(): Promise<StandIn[]> {
  const compiled = await programs();
  const base = layer(await baseLayer(compiled));
  const busybox = (config: RunConfig = {}, ...more: Layer[]) =>
    image([base, ...more], { Env: [searchPath], Cmd: ["sh"], ...config });
  const marked = (mark: string) => busybox({}, layer([{ path: "etc/stand-in", data: `${mark}\n` }]));
  const webServer = layer([
    ...folders("usr/sbin", "var/run"),
    program("usr/sbin/nginx", compiled.web_server),
  ]);
  const testImage = (name: string, tags: string[], image: Image): StandIn => ({
    repository: `${staging}/test-image-${name}`,
    tags,
    image,
  });

  return [
    { repository: `${e2e}/busybox`, tags: ["1.29-2"], image: busybox() },
    { repository: `${e2e}/nginx`, tags: ["1.14-2"], image: busybox({ Cmd: ["nginx"] }, webServer) },
    { repository: `${e2e}/httpd`, tags: ["2.4.39-4"], image: busybox({ Cmd: ["httpd-foreground"] }, httpd()) },
    {
      repository: `${e2e}/nonewprivs`,
      tags: ["1.3"],
      image: busybox(
        { Cmd: [], Entrypoint: ["/bin/effective-uid"] },
        layer([program("bin/effective-uid", compiled.effective_uid, 0o4755)]),
      ),
    },
    {
      repository: `${staging}/hostnet-nginx-${goArchitecture}`,
      tags: ["latest"],
      image: busybox({ Cmd: ["nginx", "12003"] }, webServer),
    },
    testImage("user-uid", ["latest"], busybox({ User: "1002" })),
    testImage("user-username", ["latest"], busybox({ User: "www-data" })),
    testImage("user-uid-group", ["latest"], busybox({ User: "1003:1004" })),
    testImage("user-username-group", ["latest"], busybox({ User: "www-data:1004" })),
    testImage("predefined-group", ["latest"], busybox({ User: "1000" }, predefinedGroup())),
    testImage("latest", ["latest"], marked("latest")),
    testImage("tag", ["test"], marked("tag test")),
    testImage("tag", ["all"], marked("tag all")),
    testImage("1", ["latest"], marked("1")),
    testImage("2", ["latest"], marked("2")),
    testImage("3", ["latest"], marked("3")),
    testImage("tags", ["1", "2", "3"], marked("tags")),
    { repository: "pause", tags: ["3.9"], image: await pause() },
    ...busyboxVariants.map((tag): StandIn => ({
      repository: "docker/library/busybox",
      tags: [tag],
      image: marked(`busybox ${tag}`),
    })),
  ];
}

function httpd(): Layer {
  return layer([
    ...folders("usr/local", "usr/local/bin", "usr/local/apache2", "usr/local/apache2/htdocs"),
    { path: "usr/local/apache2/htdocs/index.html", data: "<html><body><h1>It works!</h1></body></html>\n" },
    {
      path: "usr/local/bin/httpd-foreground",
      mode: 0o755,
      data:
        "#!/bin/sh\necho 'httpd: resuming normal operations' >&2\nexec httpd -f -p 80 -h /usr/local/apache2/htdocs\n",
    },
  ]);
}

function predefinedGroup(): Layer {
  return layer([
    { path: "home/default-user", type: "5", uid: 1000, gid: 1000 },
    { path: "etc/passwd", data: `${passwd}default-user:x:1000:1000:Linux User,,,:/home/default-user:/bin/sh\n` },
    { path: "etc/group", data: `${group}default-user:x:1000:\ngroup-defined-in-image:x:50000:default-user\n` },
  ]);
}

/** Not the same digest as the image that a peer runs its sandboxes with: critest removes this one. */
async function pause(): Promise<Image> {
  const { layers } = await pauseImage();
  return image([...layers, layer([{ path: "version", data: "3.9\n" }])], { Env: [searchPath], Entrypoint: ["/pause"] });
}

const folders = (...paths: string[]) => paths.map((path): Entry => ({ path, type: "5" }));
