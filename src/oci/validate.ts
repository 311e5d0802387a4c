import { invalid, quote } from "./refusal.ts";
import type { Process, Spec } from "./spec.ts";
import { DEVICES_MAX } from "./spec/devices.ts";
import { ARGUMENT_BYTES_MAX } from "./spec/environment.ts";
import { MOUNTS_MAX } from "./spec/request_mounts.ts";
import { NO_SUBGROUP } from "./spec/annotations.ts";
import { byteLength, hasControlCharacter } from "./spec/text.ts";
import { lowestVersion } from "./version.ts";

/** What execve takes in all, arguments and environment: 3/4 of the kernel's _STK_LIM. */
const EXEC_BYTES_MAX = 6 << 20;

/** Mounts that every container has, besides those of its request. */
const OWN_MOUNTS = 16;

const NAMESPACES: ReadonlySet<string> = new Set(["pid", "network", "mount", "ipc", "uts", "user", "cgroup"]);

/** Annotations in which some runtimes take orders: systemd unit properties, crun's own options. */
const COMMANDING_ANNOTATION = /^(org\.systemd\.property\.|run\.oci\.|module\.wasm\.)/;

/** SLICE:PREFIX:NAME, with which a runtime has systemd make the cgroup. */
const SYSTEMD_CGROUP = /^[A-Za-z0-9_:.-]+\.slice:skiff:[A-Za-z0-9_.-]+$/;

/** Holds for every config.json that skiff writes, whoever has changed it: run after buildSpec and again after the adjusters. */
export function validateSpec(spec: Spec): void {
  if (spec.ociVersion !== lowestVersion(spec)) {
    throw invalid(
      "ociVersion",
      `${quote(spec.ociVersion)} is not ${lowestVersion(spec)}, the lowest that describes the spec`,
    );
  }
  validateProcess(spec.process);
  absolute("root.path", spec.root.path);
  validateMounts(spec);
  validateLinux(spec);
  for (const [key, value] of Object.entries(spec.annotations ?? {})) {
    if (COMMANDING_ANNOTATION.test(key) && !(key === NO_SUBGROUP[0] && value === NO_SUBGROUP[1])) {
      throw invalid("annotations", `${quote(key)} would be an order to the OCI runtime`);
    }
    if (hasControlCharacter(key)) throw invalid("annotations", `${quote(key)} holds a control character`);
    noNul(`annotation ${quote(key)}`, value);
  }
  for (const hook of Object.values(spec.hooks ?? {}).flat()) absolute("hook", hook.path);
  if (spec.hostname !== undefined && (hasControlCharacter(spec.hostname) || spec.hostname.length > 64)) {
    throw invalid("hostname", `${quote(spec.hostname)} is longer than 64 characters or holds a control character`);
  }
}

/** The part of it that an exec has as well. */
export function validateProcess({ args, env, cwd, user }: Process): void {
  if (args.length === 0 || args[0] === "") throw invalid("command", "there is none");
  let total = 0;
  for (const text of [...args, ...env]) {
    const bytes = byteLength(text);
    if (bytes >= ARGUMENT_BYTES_MAX) {
      throw invalid(
        "command and envs",
        `${quote(text)} has ${bytes} bytes; the kernel takes ${ARGUMENT_BYTES_MAX - 1}`,
      );
    }
    noNul("command and envs", text);
    // Each has a pointer of its own besides its bytes and the NUL.
    total += bytes + 9;
  }
  if (total > EXEC_BYTES_MAX) {
    throw invalid("command and envs", `${total} bytes in all; the kernel takes ${EXEC_BYTES_MAX}`);
  }
  absolute("process.cwd", cwd);
  for (const id of [user.uid, user.gid, ...(user.additionalGids ?? [])]) {
    if (!Number.isInteger(id) || id < 0 || id >= 2 ** 32) {
      throw invalid("process.user", `${id} is not a user or group ID`);
    }
  }
}

function validateMounts({ mounts }: Spec): void {
  if (mounts.length > MOUNTS_MAX + OWN_MOUNTS) throw invalid("mounts", `${mounts.length} of them`);
  for (const { destination, source, type, options } of mounts) {
    absolute("mount", destination);
    if (type === "bind") absolute(`source of mount ${quote(destination)}`, source);
    for (const option of options) {
      if (hasControlCharacter(option)) throw invalid(`mount ${quote(destination)}`, `option ${quote(option)}`);
    }
  }
}

function validateLinux({ linux }: Spec): void {
  const { namespaces, devices = [], cgroupsPath, maskedPaths = [], readonlyPaths = [] } = linux;
  if (new Set(namespaces.map(({ type }) => type)).size !== namespaces.length) {
    throw invalid("namespaces", "one kind is listed twice");
  }
  for (const { type, path } of namespaces) {
    if (!NAMESPACES.has(type)) throw invalid("namespaces", `${quote(type)} is not a kind of namespace`);
    if (path !== undefined) absolute(`namespace ${type}`, path);
  }
  if (devices.length > DEVICES_MAX) throw invalid("devices", `${devices.length} of them`);
  for (const { path } of devices) absolute("device", path);
  if (cgroupsPath !== undefined && !SYSTEMD_CGROUP.test(cgroupsPath)) absolute("cgroupsPath", cgroupsPath);
  for (const path of [...maskedPaths, ...readonlyPaths]) absolute("masked and read-only paths", path);
}

function absolute(field: string, path: string): void {
  if (!path.startsWith("/") || path.split("/").includes("..")) {
    throw invalid(field, `${quote(path)} is not an absolute path without ".."`);
  }
  noNul(field, path);
}

function noNul(field: string, text: string): void {
  if (text.includes("\0")) throw invalid(field, `${quote(text)} holds a NUL byte`);
}
