/** What nearly every stand-in image begins with: busybox with a shell that looks for files, as the published one has. */
import { busyboxLayer } from "../../images/busybox.ts";
import { hostProgram } from "../../images/host_program.ts";
import type { Entry } from "../../images/tar.ts";
import type { Programs } from "./programs.ts";

export const passwd = `root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
bin:x:2:2:bin:/bin:/bin/false
sys:x:3:3:sys:/dev:/bin/false
mail:x:8:8:mail:/var/spool/mail:/bin/false
www-data:x:33:33:www-data:/var/www:/bin/false
nobody:x:65534:65534:nobody:/home:/bin/false
`;

export const group = `root:x:0:
daemon:x:1:
bin:x:2:
sys:x:3:
wheel:x:10:root
mail:x:8:
www-data:x:33:
users:x:100:
nogroup:x:65534:
`;

const replaced = new Set(["bin/sh", "bin/ash", "etc/passwd", "etc/group", "home/app"]);

export async function baseLayer(programs: Programs): Promise<Entry[]> {
  return [
    ...busyboxLayer().filter((entry) => !replaced.has(entry.path)),
    { path: "etc/passwd", data: passwd },
    { path: "etc/group", data: group },
    program("bin/sh", programs.sh),
    program("bin/pgrep", programs.pgrep),
    program("bin/ipcs", programs.ipcs),
    ...await hostProgram("/bin/dash"),
  ];
}

export const program = (path: string, data: Uint8Array, mode = 0o755): Entry => ({ path, mode, data });
