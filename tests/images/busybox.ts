/** The images that most tests run: Debian's static busybox with every applet as a hard link, and a few files. */
import { type Image, image, layer, type RunConfig } from "./image.ts";
import type { Entry } from "./tar.ts";

const passwd = `root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
www-data:x:33:33:www-data:/var/www:/bin/false
app:x:1000:1001:app:/home/app:/bin/sh
nobody:x:65534:65534:nobody:/home:/bin/false
`;
const group = `root:x:0:
daemon:x:1:
www-data:x:33:
app:x:1001:
extra:x:50000:app
nogroup:x:65534:
`;
export const path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

let busyboxEntries: Entry[] | undefined;

/** Entries of the base layer. */
export function busyboxLayer(): Entry[] {
  if (busyboxEntries) return busyboxEntries;
  const listed = new Deno.Command("/bin/busybox", { args: ["--list"], stdout: "piped" }).outputSync();
  const applets = new TextDecoder().decode(listed.stdout).split("\n").filter((name) => name && name !== "busybox")
    .sort();
  const dirs = ["bin", "dev", "etc", "home", "proc", "sys", "usr", "usr/bin", "usr/sbin", "var", "var/lib", "var/www"];
  busyboxEntries = [
    ...dirs.map((path): Entry => ({ path, type: "5" })),
    { path: "root", type: "5", mode: 0o700 },
    { path: "tmp", type: "5", mode: 0o1777 },
    { path: "home/app", type: "5", uid: 1000, gid: 1001 },
    { path: "bin/busybox", mode: 0o755, data: Deno.readFileSync("/bin/busybox") },
    ...applets.map((name): Entry => ({ path: `bin/${name}`, type: "1", link: "bin/busybox" })),
    { path: "etc/passwd", data: passwd },
    { path: "etc/group", data: group },
    { path: "etc/shadow", data: "root:*:19000:0:99999:7:::\n", mode: 0o640 },
    { path: "etc/nsswitch.conf", data: "passwd: files\ngroup: files\nhosts: files dns\n" },
  ];
  return busyboxEntries;
}

const base = () => layer(busyboxLayer());

export function busybox(config: RunConfig = {}): Image {
  return image([base()], { Env: [path], Cmd: ["sh"], ...config });
}

/** USER, ENTRYPOINT, CMD, ENV, WORKDIR, a stop signal, a label and a volume, each visible from inside. */
export function configured(): Image {
  return image([base(), layer([{ path: "srv", type: "5" }, { path: "srv/work", type: "5", uid: 1000, gid: 1001 }])], {
    User: "app",
    Env: [path, "FROM_IMAGE=image", "OVERRIDDEN=image", "HOME=/home/app"],
    Entrypoint: ["/bin/sh", "-c", 'echo "entrypoint $*"; id; pwd; env', "entrypoint"],
    Cmd: ["from", "cmd"],
    WorkingDir: "/srv/work",
    StopSignal: "SIGUSR1",
    Labels: { "org.example.label": "from-image" },
  });
}
