/**
 * The namespaces that a test node lives in, kept by a process that does nothing else: mounts of its own, without the
 * cgroup2 hierarchy of a hybrid machine (crun refuses it), a network of its own with only loopback, and its own
 * /run/netns. When the test process dies, however it dies, the holder ends everything in the node's cgroup and removes
 * its folders; what was mounted goes with the last process.
 */
import { run, tryRun } from "./command.ts";
import { exists } from "./tools.ts";
import { killCgroup, makeCgroup, removeCgroup, setCpuWeight } from "./cgroups.ts";

const script = `
set -u
ip link set lo up
# crun, finding no cgroup2 there, would leave plain files on the host: they go to a file system that ends with the holder.
umount /sys/fs/cgroup/unified 2>/dev/null && mount -t tmpfs -o mode=0755 skiff-test /sys/fs/cgroup/unified
if [ "$PRIVATE_NETNS" = 1 ]; then mkdir -p /run/netns && mount -t tmpfs -o mode=0755 skiff-test /run/netns; fi
echo ready
cat >/dev/null
[ -e "$CLEAN" ] && exit 0
for round in 1 2 3 4 5 6 7 8 9 10; do
  for file in $(find /sys/fs/cgroup/"$NAME" /sys/fs/cgroup/*/"$NAME" -name cgroup.procs 2>/dev/null); do
    while read -r pid; do [ "$pid" = $$ ] || kill -9 "$pid"; done <"$file" 2>/dev/null
  done
  sleep 0.1
done
find /sys/fs/cgroup/"$NAME" /sys/fs/cgroup/*/"$NAME" -depth -type d -exec rmdir {} + 2>/dev/null
umount -l /run/netns 2>/dev/null
for dir in $DIRS; do
  cut -d' ' -f5 /proc/self/mountinfo | grep -E "^$dir(/|$)" | sort -r | while read -r mount; do umount -l "$mount"; done 2>/dev/null
done
rm -rf --one-file-system $DIRS
`;

export interface HolderOptions {
  /** A tmpfs over /run/netns, so that the node's pinned namespaces are its own; default true. */
  privateNetnsDir?: boolean;
}

export class Holder implements AsyncDisposable {
  #clean: string;
  private constructor(readonly name: string, readonly dirs: string[], private readonly child: Deno.ChildProcess) {
    this.#clean = `/run/${name}.ended`;
  }

  /** `dirs` are made, and removed at the end. The first is in memory, as /run is on a node. */
  static async start(name: string, dirs: string[], options: HolderOptions = {}): Promise<Holder> {
    await removeAbandoned();
    for (const dir of dirs) await Deno.mkdir(dir, { recursive: true, mode: 0o700 });
    await run("mount", ["-t", "tmpfs", "-o", "mode=0700", memory, dirs[0]]);
    makeCgroup(`/${name}`);
    // In a session of its own: what ends the test's process group must not end the one that cleans up after it.
    const child = new Deno.Command("setsid", {
      args: ["unshare", "--mount", "--net", "--propagation", "private", "--", "sh", "-c", script],
      env: {
        NAME: name,
        DIRS: dirs.join(" "),
        CLEAN: `/run/${name}.ended`,
        PRIVATE_NETNS: options.privateNetnsDir === false ? "0" : "1",
      },
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const reader = child.stdout.getReader();
    const { value } = await reader.read();
    if (new TextDecoder().decode(value).trim() !== "ready") {
      throw new Error("the namespaces of the test node could not be made");
    }
    reader.releaseLock();
    await Deno.writeTextFile(
      `${dirs[0]}/${record}`,
      JSON.stringify({ name, dirs, pid: child.pid, started: startTime(child.pid) }),
    );
    return new Holder(name, dirs, child);
  }

  get pid(): number {
    return this.child.pid;
  }

  /** The arguments that make `nsenter` run a program inside. */
  enter(program: string, args: string[]): string[] {
    return [`--mount=/proc/${this.pid}/ns/mnt`, `--net=/proc/${this.pid}/ns/net`, "--", program, ...args];
  }

  run(program: string, ...args: string[]): Promise<string> {
    return run("nsenter", this.enter(program, args));
  }

  tryRun(program: string, ...args: string[]) {
    return tryRun("nsenter", this.enter(program, args));
  }

  /**
   * Starts a program inside, in the cgroup `/name/cgroup`, its output appended to `log`. nsenter and sh replace
   * themselves, so the pid is the program's own.
   */
  spawn(
    program: string,
    args: string[],
    options: { cgroup: string; log: string; env?: Record<string, string>; cpuWeight?: number },
  ): Deno.ChildProcess {
    const dirs = makeCgroup(`/${this.name}/${options.cgroup}`);
    if (options.cpuWeight !== undefined) setCpuWeight(dirs, options.cpuWeight);
    const groups = dirs.map((dir) => `${dir}/cgroup.procs`);
    const move = groups.map((file) => `echo $$ >${file}`).join("\n");
    return new Deno.Command("nsenter", {
      args: this.enter("sh", ["-c", `${move}\nexec "$0" "$@" </dev/null >>${options.log} 2>&1`, program, ...args]),
      env: options.env,
      stdin: "null",
      stdout: "inherit",
      stderr: "inherit",
    }).spawn();
  }

  /** Ends what still runs, removes cgroups and folders. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.writeTextFile(this.#clean, "");
    try {
      await killCgroup(`/${this.name}`);
      await removeCgroup(`/${this.name}`);
      await this.child.stdin.close();
      await this.child.status;
      await this.child.stdout.cancel();
      // After the holder: with it went the last mounts below these.
      await removeFolders(this.dirs);
    } finally {
      await Deno.remove(this.#clean).catch(ignoreMissing);
    }
  }
}

const record = "holder.json";
/** What the mount table calls the file system that a node has for its /run. */
const memory = "skiff-test-run";

/** Field 22 of the stat file, which tells a process from a later one with its pid; undefined where there is none. */
function startTime(pid: number): string | undefined {
  try {
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}

/** Nodes whose holder was killed before it could clean up: their processes, cgroups and folders go now. */
async function removeAbandoned(): Promise<void> {
  const above = "/run/skiff";
  for (const entry of exists(above) ? Deno.readDirSync(above) : []) {
    const path = `${above}/${entry.name}/${record}`;
    if (!exists(path)) continue;
    const { name, dirs, pid, started } = JSON.parse(await Deno.readTextFile(path));
    if (startTime(pid) === started) continue;
    await killCgroup(`/${name}`);
    await removeCgroup(`/${name}`);
    await removeFolders(dirs);
  }
}

async function removeFolders(dirs: string[]): Promise<void> {
  await tryRun("umount", ["-l", dirs[0]]);
  for (const dir of dirs) await Deno.remove(dir, { recursive: true }).catch(ignoreMissing);
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
