/**
 * What a runtime makes on a node and may leave behind: processes, mounts, namespaces, cgroups, links, packet filter
 * rules, CNI leases, loop devices, files. A snapshot holds each as a line of text; the difference of two is what came.
 * Other work goes on on the same machine, so only what carries our names counts.
 */
import { tryRun } from "./command.ts";
import { cgroupsBelow } from "./cgroups.ts";

export interface Scope {
  /** Only what carries this name; without it: everything that is skiff's. */
  instance?: string;
  /** A process in the mount and network namespace to look into; default: this one's. */
  holder?: number;
  /** Processes that are meant to be there: the daemons themselves. */
  except?: number[];
  /** Folders of host-local's leases, besides the default one. */
  leases?: string[];
  /** Folders whose every file counts. */
  folders?: string[];
}

/** By kind, each thing in words. */
export type Snapshot = Record<string, string[]>;

const programs = new Set([
  "conmon",
  "runc",
  "crun",
  "skiff",
  "docker-registry",
  "containerd",
  "containerd-shim-runc-v2",
]);

export async function snapshot(scope: Scope = {}): Promise<Snapshot> {
  const ours = (text: string) => scope.instance ? text.includes(scope.instance) : /\bskiff/.test(text);
  return {
    process: processes(scope, ours),
    mount: mounts(scope, ours),
    "network namespace": namespaces(scope),
    cgroup: cgroupsBelow("/").filter(ours),
    link: await links(scope),
    "packet filter rule": await rules(scope),
    lease: ["/var/lib/cni/networks/*", ...scope.leases?.map((dir) => `${dir}/*`) ?? [], "/var/lib/cni/results"].flatMap(
      leases,
    ),
    "loop device": loops().filter(ours),
    file: (scope.folders ?? []).flatMap(files),
  };
}

/** What `after` has and `before` had not, a line each: kind and thing. */
export function difference(before: Snapshot, after: Snapshot): string[] {
  const lines: string[] = [];
  for (const [kind, things] of Object.entries(after)) {
    const known = new Set(before[kind] ?? []);
    for (const thing of things) if (!known.has(thing)) lines.push(`${kind}: ${thing}`);
  }
  return lines;
}

function read(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}

function list(dir: string): Deno.DirEntry[] {
  try {
    return [...Deno.readDirSync(dir)];
  } catch {
    return [];
  }
}

function processes(scope: Scope, ours: (text: string) => boolean): string[] {
  const found: string[] = [];
  for (const { name: pid } of list("/proc")) {
    if (
      !/^\d+$/.test(pid) || Number(pid) === Deno.pid || Number(pid) === scope.holder ||
      scope.except?.includes(Number(pid))
    ) continue;
    const stat = read(`/proc/${pid}/stat`);
    const command = read(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim();
    // Kernel threads, and what died a moment ago and waits to be reaped by somebody else.
    if (stat === "" || command === "") continue;
    const name = stat.slice(stat.indexOf("(") + 1, stat.lastIndexOf(")"));
    const started = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
    const cgroup = read(`/proc/${pid}/cgroup`);
    const ownedByTest = cgroup.includes("/registry") && name === "docker-registry";
    const counts = scope.instance
      ? (ours(cgroup) || ours(command) && programs.has(name)) && !ownedByTest
      : ours(cgroup) || programs.has(name) && (name === "conmon" || name === "skiff" || ours(command));
    if (counts) found.push(`${pid} (started ${started}) ${command.slice(0, 200)}`);
  }
  return found;
}

function mounts(scope: Scope, ours: (text: string) => boolean): string[] {
  const table = read(`/proc/${scope.holder ?? "self"}/mountinfo`);
  const found: string[] = [];
  for (const line of table.split("\n")) {
    const [front, back] = line.split(" - ");
    if (!back) continue;
    const fields = front.split(" ");
    const [type, source] = back.split(" ");
    const text = `${fields[4]} (${type} ${source}, root ${fields[3]})`;
    if (ours(text) || ours(back) || fields[4].startsWith("/run/netns/")) found.push(text);
  }
  return found;
}

function namespaces(scope: Scope): string[] {
  const root = scope.holder ? `/proc/${scope.holder}/root` : "";
  return list(`${root}/run/netns`).map((entry) => `/run/netns/${entry.name}`);
}

function enter(scope: Scope, program: string, args: string[]) {
  return scope.holder
    ? tryRun("nsenter", [
      `--mount=/proc/${scope.holder}/ns/mnt`,
      `--net=/proc/${scope.holder}/ns/net`,
      "--",
      program,
      ...args,
    ])
    : tryRun(program, args);
}

async function links(scope: Scope): Promise<string[]> {
  const { stdout } = await enter(scope, "ip", ["-o", "link"]);
  // A bridge that the CNI plugin made stays by design of the plugin; its state and index are not what is asked for.
  return stdout.split("\n").map((line) => line.split(": ")[1]?.split("@")[0] ?? "").filter((name) => name !== "");
}

async function rules(scope: Scope): Promise<string[]> {
  const found: string[] = [];
  for (const table of ["nat", "filter"]) {
    const { code, stdout } = await enter(scope, "iptables-save", ["-t", table]).catch(() => ({ code: 1, stdout: "" }));
    if (code !== 0) continue;
    for (const line of stdout.split("\n")) {
      if (/^[-:]/.test(line)) found.push(`${table} ${line.replace(/\[\d+:\d+\]/, "").trim()}`);
    }
  }
  return found;
}

function leases(pattern: string): string[] {
  const dirs = pattern.endsWith("/*")
    ? list(pattern.slice(0, -2)).map((entry) => `${pattern.slice(0, -2)}/${entry.name}`)
    : [pattern];
  return dirs.flatMap((dir) => list(dir).map((entry) => `${dir}/${entry.name}`))
    .filter((path) => !/\/(lock|last_reserved_ip\.\d+)$/.test(path));
}

function loops(): string[] {
  return list("/sys/block").filter((entry) => entry.name.startsWith("loop"))
    .map((entry) => `${entry.name} ${read(`/sys/block/${entry.name}/loop/backing_file`).trim()}`);
}

function files(dir: string): string[] {
  const found: string[] = [];
  for (const entry of list(dir)) {
    const path = `${dir}/${entry.name}`;
    found.push(path);
    if (entry.isDirectory) found.push(...files(path));
  }
  return found;
}
