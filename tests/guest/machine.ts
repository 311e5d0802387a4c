/** A machine of its own for a command: Debian's 6.1 kernel under qemu, the host's files to read, a disk and swap to write. */
import { run, tryRun } from "../support/command.ts";
import { exists, tools } from "../support/tools.ts";
import { initramfs } from "./initramfs.ts";

/** What scripts/setup --guest puts in place. */
const kernelFolder = `${tools.home}/guest/linux-6.1`;
const systemdFolder = `${tools.home}/guest/systemd-252`;
const QEMU = "/usr/bin/qemu-system-x86_64";
const here = new URL(".", import.meta.url).pathname;

/** Only what is written takes room on the host. */
const DISK_BYTES = 4 * 1024 ** 3;
const SWAP_BYTES = 512 * 1024 ** 2;

/** A plain script, or systemd. */
export type ProcessOne = "init" | "systemd";

export interface Outcome {
  /** Exit code of the command. */
  code: number;
  /** What the command printed. */
  output: string;
  /** What the kernel and init said. */
  screen: string;
  /** What the command left in the exchange folder, by name; empty where it left nothing. */
  files: Record<string, string>;
  /** Of the guest's own clock: until the command began, and until it ended. */
  seconds: { boot: number; command: number };
}

/** Why there is no guest on this machine, and what helps; undefined when there can be one. */
export function unavailable(): string | undefined {
  if (Deno.build.arch !== "x86_64") return "the guest is an x86_64 machine, emulated; this one is another";
  if (!exists(QEMU) || !exists(`${kernelFolder}/vmlinuz`)) {
    return "no qemu or no guest kernel: run scripts/setup --guest";
  }
  return undefined;
}

/** The same for a guest whose process 1 is systemd. */
export function systemdUnavailable(): string | undefined {
  return unavailable() ??
    (exists(`${systemdFolder}/usr/lib/systemd/systemd`)
      ? undefined
      : "no systemd for the guest: run scripts/setup --guest");
}

export interface GuestOptions {
  processOne: ProcessOne;
  /** Environment of the command. */
  env: Record<string, string>;
  /** Milliseconds until it is switched off, whatever it does. */
  timeout: number;
  /** Files of the exchange folder that are wanted. */
  names: string[];
  gibibytes: number;
}

/**
 * Runs a shell script as root in a fresh guest; the guest sees the files of this host at the same paths, and what it writes is gone
 * afterwards, but for the folder /run/exchange.
 */
export async function inGuest(
  script: string,
  { processOne, env, timeout, names, gibibytes }: GuestOptions,
): Promise<Outcome> {
  const folder = await Deno.makeTempDir({ prefix: "guest-" });
  try {
    const exchange = `${folder}/exchange`;
    await Deno.mkdir(exchange);
    const modules = `${kernelFolder}/modules`;
    const [release] = [...Deno.readDirSync(modules)].map((entry) => entry.name);
    await Deno.writeTextFile(`${exchange}/settings`, `MODULES=${modules}\n`);
    const exports = Object.entries(env).map(([name, value]) => `export ${name}='${value}'\n`).join("");
    await Deno.writeTextFile(`${exchange}/command`, exports + script);
    const layer = processOne === "systemd" ? systemdFolder : undefined;
    await Deno.writeFile(
      `${folder}/initramfs`,
      await initramfs({
        modules: `${modules}/${release}`,
        init: `${here}${processOne}.sh`,
        layer: layer !== undefined,
      }),
    );
    await sparse(`${folder}/disk`, DISK_BYTES);
    await run("mkfs.ext4", ["-q", "-E", "lazy_itable_init=1", `${folder}/disk`]);
    await sparse(`${folder}/swap`, SWAP_BYTES);
    await run("mkswap", [`${folder}/swap`]);
    const { code, stdout, stderr } = await tryRun(QEMU, machine(folder, gibibytes, layer), { timeout });
    const read = (name: string) => exists(`${exchange}/${name}`) ? Deno.readTextFileSync(`${exchange}/${name}`) : "";
    const screen = stdout + stderr;
    const output = read("output");
    if (read("code") === "") {
      throw new Error(`the guest ended with ${code} before its command did; its screen:\n${screen}\n${output}`);
    }
    const [boot, end] = [...screen.matchAll(/^guest: .*\bup ([\d.]+) s/gm)].map(([, seconds]) => Number(seconds));
    return {
      code: Number(read("code")),
      output,
      screen,
      files: Object.fromEntries(names.map((name) => [name, read(name)])),
      seconds: { boot: Math.round(boot), command: Math.round(end - boot) },
    };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function machine(folder: string, gibibytes: number, layer?: string): string[] {
  const share = (tag: string, path: string, more = "") =>
    `local,path=${path},mount_tag=${tag},security_model=none,multidevs=remap${more}`;
  const disk = (file: string) => `file=${folder}/${file},format=raw,if=virtio,cache=unsafe,discard=unmap`;
  return [
    ...["-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max", "-smp", "2", "-m", `${gibibytes}G`],
    ...["-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio", "-no-reboot"],
    ...["-kernel", `${kernelFolder}/vmlinuz`, "-initrd", `${folder}/initramfs`],
    ...["-append", "console=ttyS0 quiet panic=-1 mitigations=off"],
    ...["-virtfs", share("host", "/", ",readonly=on"), "-virtfs", share("exchange", `${folder}/exchange`)],
    ...(layer ? ["-virtfs", share("layer", layer, ",readonly=on")] : []),
    ...["-drive", disk("disk"), "-drive", disk("swap")],
  ];
}

async function sparse(path: string, bytes: number): Promise<void> {
  using file = await Deno.create(path);
  await file.truncate(bytes);
}
