import { invalid, quote } from "../refusal.ts";
import { hasControlCharacter } from "../spec/text.ts";

const PARENT_LENGTH = 2048;

/** `cgroup_parent` of a pod as a path below the cgroup root: absolute, without `..`. */
export function checkParent(parent: string): string {
  const field = "cgroup_parent";
  if (!parent.startsWith("/")) {
    const systemd = parent.endsWith(".slice")
      ? ": a systemd slice; set cgroupDriver: cgroupfs for the kubelet as well"
      : "";
    throw invalid(field, `${quote(parent)} is not an absolute path${systemd}`);
  }
  if (parent.length > PARENT_LENGTH || hasControlCharacter(parent)) {
    throw invalid(field, `${quote(parent)} is too long or holds a control character`);
  }
  const parts = parent.split("/").filter((part) => part !== "");
  if (parts.includes("..") || parts.includes(".")) throw invalid(field, `${quote(parent)} holds "." or ".."`);
  return parts.map((part) => `/${part}`).join("");
}

export function checkCgroupName(id: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]{0,254}$/.test(id)) throw invalid("cgroup", `${quote(id)} is not a name`);
  return id;
}
