import { invalid, quote } from "../refusal.ts";
import type { Process } from "../spec.ts";
import { apparmorProfile } from "./apparmor.ts";
import { capabilities } from "./capabilities.ts";
import { environment } from "./environment.ts";
import { resolveInRoot } from "./in_root.ts";
import { oomScoreAdj, rlimits } from "./limits.ts";
import { absolutePath } from "./paths.ts";
import type { Section } from "./section.ts";
import { selinuxLabels } from "./selinux.ts";
import { breaksAccountLine } from "./text.ts";
import type { Account } from "./user.ts";

/** Argument vector, user, environment and limits of the container's first process. */
export function processSection(section: Section, account: Account): Process {
  const { input: { config }, security } = section;
  const apparmor = apparmorProfile(section);
  const label = selinuxLabels(section)?.process;
  return {
    ...(config.tty && { terminal: true }),
    user: { uid: account.uid, gid: account.gid, additionalGids: account.additionalGids },
    args: argumentVector(section),
    env: environment(section, account.home),
    cwd: workingDirectory(section),
    capabilities: capabilities(section),
    rlimits: rlimits(section),
    noNewPrivileges: security.noNewPrivs,
    oomScoreAdj: oomScoreAdj(section),
    ...(apparmor !== undefined && { apparmorProfile: apparmor }),
    ...(label !== undefined && { selinuxLabel: label }),
  };
}

/** Kubernetes: `command` replaces ENTRYPOINT and drops CMD, `args` replaces CMD. */
function argumentVector({ input: { config, image } }: Section): string[] {
  const entrypoint = config.command.length > 0 ? config.command : image.entrypoint;
  const cmd = config.args.length > 0 || config.command.length > 0 ? config.args : image.cmd;
  const args = [...entrypoint, ...cmd];
  if (args.length === 0) {
    throw invalid("command", "the request names no command, and the image has neither ENTRYPOINT nor CMD");
  }
  if (args[0] === "") throw invalid("command", "its first word is empty");
  return args;
}

function workingDirectory({ input: { config, image, rootfs }, kernel }: Section): string {
  const field = config.workingDir !== "" ? "working_dir" : "WORKDIR of the image";
  const cwd = absolutePath(field, config.workingDir || image.workingDir || "/");
  if (breaksAccountLine(cwd)) throw invalid(field, `${quote(cwd)} holds a control character or a colon`);
  // /proc/self/fd/N as seen by the runtime may be a folder of the host that it still has open (CVE-2024-21626).
  for (const path of [cwd, resolveInRoot(kernel, rootfs, cwd)]) {
    if (/^\/proc\/(self|thread-self|\d+)(\/|$)/.test(path)) {
      throw invalid(field, `${quote(cwd)} leads to a process's own folder below /proc`);
    }
  }
  return cwd;
}
