/**
 * What the guest's kernel starts with: busybox, the modules that reach the host's file system over 9p, and a script that puts a
 * writable layer over it and goes on there. cpio "newc", packed.
 */
import { tools } from "../support/tools.ts";

/** Everything else is loaded by the kernel itself, as on any node, once the module folder is there. */
const MODULES = ["virtio_pci", "9pnet_virtio", "9p", "overlay"];

const TYPE = { directory: 0o040000, file: 0o100000, device: 0o020000 };

interface Entry {
  path: string;
  mode: number;
  data?: Uint8Array;
  device?: [number, number];
}

export interface InitramfsOptions {
  /** Folder with `modules.dep`. */
  modules: string;
  /** Of the host: the script that goes on in the new root, as process 1. */
  init: string;
  /** Whether a second share, `layer`, lies over the host's files. */
  layer?: boolean;
}

export async function initramfs({ modules, init, layer }: InitramfsOptions): Promise<Uint8Array<ArrayBuffer>> {
  const files = loadOrder(Deno.readTextFileSync(`${modules}/modules.dep`), MODULES);
  const names = files.map((file) => file.slice(file.lastIndexOf("/") + 1));
  const archive = cpio([
    ...["bin", "dev", "proc", "sys", "modules", "host", "layer", "write", "root"].map((path) => ({
      path,
      mode: TYPE.directory | 0o755,
    })),
    { path: "dev/console", mode: TYPE.device | 0o600, device: [5, 1] },
    { path: "bin/busybox", mode: TYPE.file | 0o755, data: Deno.readFileSync(tools.busybox) },
    ...files.map((file, index) => ({
      path: `modules/${names[index]}`,
      mode: TYPE.file | 0o644,
      data: Deno.readFileSync(`${modules}/${file}`),
    })),
    { path: "init", mode: TYPE.file | 0o755, data: new TextEncoder().encode(script(names, init, layer)) },
  ]);
  const packed = new Blob([archive]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(packed).arrayBuffer());
}

/** The files of `wanted` in modules.dep, each after all that it depends on. */
export function loadOrder(table: string, wanted: string[]): string[] {
  const needs = new Map<string, string[]>();
  for (const line of table.split("\n")) {
    const [file, others] = line.split(":");
    if (others !== undefined) needs.set(file, others.split(" ").filter((name) => name !== ""));
  }
  const byName = new Map([...needs.keys()].map((file) => [moduleName(file), file]));
  const order: string[] = [];
  const add = (file: string) => {
    for (const need of needs.get(file) ?? []) add(need);
    if (!order.includes(file)) order.push(file);
  };
  for (const name of wanted) {
    const file = byName.get(name);
    if (file === undefined) throw new Error(`the guest's kernel has no module ${name}`);
    add(file);
  }
  return order;
}

const moduleName = (file: string) => file.slice(file.lastIndexOf("/") + 1).replace(/\.ko$/, "").replaceAll("-", "_");

const LAYER =
  `busybox mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=524288 layer /layer || fail "no layer"
`;

const script = (modules: string[], init: string, layer = false) =>
  `#!/bin/busybox sh
busybox() { /bin/busybox "$@"; }
fail() { echo "guest: $*"; busybox poweroff -f; }
busybox mount -t proc proc /proc && busybox mount -t sysfs sys /sys && busybox mount -t devtmpfs dev /dev
for module in ${modules.join(" ")}; do busybox insmod /modules/$module || fail "module $module does not load"; done
busybox mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=524288 host /host || fail "no 9p from the host"
${layer ? LAYER : ""}busybox mount -t tmpfs -o mode=0755 write /write && busybox mkdir /write/upper /write/work
busybox mount -t overlay -o lowerdir=${
    layer ? "/layer:" : ""
  }/host,upperdir=/write/upper,workdir=/write/work root /root || fail "no overlay"
exec /bin/busybox switch_root /root /bin/sh ${init}
`;

function cpio(entries: Entry[]): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  const pad = (length: number) => new Uint8Array((4 - length % 4) % 4);
  [...entries, { path: "TRAILER!!!", mode: 0 } as Entry].forEach(({ path, mode, data, device = [0, 0] }, index) => {
    const name = new TextEncoder().encode(`${path}\0`);
    const content = new Uint8Array(data ?? []);
    const numbers = [index + 1, mode, 0, 0, 1, 0, content.length, 0, 0, ...device, name.length, 0];
    const header = new TextEncoder().encode(
      `070701${numbers.map((number) => number.toString(16).padStart(8, "0")).join("")}`,
    );
    parts.push(header, name, pad(header.length + name.length), content, pad(content.length));
  });
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}
