import type { Kernel } from "../../sys/kernel.ts";
import { readInRoot } from "./in_root.ts";

/** Limit for /etc/passwd and /etc/group of an image: tens of thousands of lines. */
export const ACCOUNT_FILE_LIMIT = 1 << 20;

export interface PasswdEntry {
  name: string;
  /** As written: judged where it is used. */
  uid: string;
  gid: string;
  home: string;
}

export interface GroupEntry {
  name: string;
  gid: string;
  members: string[];
}

/** Entries of the tree's /etc/passwd, none if there is no such file; lines without enough fields are passed over. */
export function readPasswd(kernel: Kernel, rootfs: string): PasswdEntry[] {
  return lines(kernel, rootfs, "/etc/passwd").flatMap((fields) =>
    fields.length < 4 ? [] : [{ name: fields[0], uid: fields[2], gid: fields[3], home: fields[5] ?? "" }]
  );
}

/** Entries of the tree's /etc/group, as readPasswd. */
export function readGroup(kernel: Kernel, rootfs: string): GroupEntry[] {
  return lines(kernel, rootfs, "/etc/group").flatMap((fields) =>
    fields.length < 3
      ? []
      : [{ name: fields[0], gid: fields[2], members: (fields[3] ?? "").split(",").filter((member) => member !== "") }]
  );
}

function lines(kernel: Kernel, rootfs: string, path: string): string[][] {
  const bytes = readInRoot(kernel, rootfs, path, ACCOUNT_FILE_LIMIT);
  if (bytes === undefined) return [];
  return new TextDecoder().decode(bytes).split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => line.split(":"));
}
