import { SupplementalGroupsPolicy } from "../../../proto/gen/runtime/v1/api.ts";
import { invalid, quote } from "../refusal.ts";
import type { ResolvedUser } from "../types.ts";
import { type GroupEntry, type PasswdEntry, readGroup, readPasswd } from "./accounts.ts";
import type { Section } from "./section.ts";
import { breaksAccountLine } from "./text.ts";

/** Above it, signed and unsigned readings of an ID differ; the field refuses such IDs. */
export const ID_MAX = 2 ** 31 - 1;

/** The kernel's NGROUPS_MAX. */
const GROUPS_MAX = 65536;

export interface Account extends ResolvedUser {
  /** From the image's /etc/passwd; "/" if it has no line for the user. */
  home: string;
}

/**
 * The user of a container: run_as_user or run_as_username of the request, else USER of the image, else root; names looked
 * up in the image. A name that the image does not know, an ID out of range, or a group without a user are errors: nothing
 * here ever falls back to root.
 */
export function resolveUser(section: Section): Account {
  const { security, input, kernel } = section;
  const wanted = wantedUser(section);
  const passwd = readPasswd(kernel, input.rootfs);
  const group = readGroup(kernel, input.rootfs);

  const entry = findUser(wanted.user, passwd, wanted.from);
  const uid = entry
    ? parseId(`uid of ${quote(entry.name)} in /etc/passwd`, entry.uid)
    : parseId(wanted.from, wanted.user);
  const gid = wanted.group === undefined
    ? (entry ? parseId(`gid of ${quote(entry.name)} in /etc/passwd`, entry.gid) : 0)
    : findGroup(wanted.group, group, wanted.from);
  const home = entry?.home || "/";
  if (breaksAccountLine(home)) {
    throw invalid("home directory in the image's /etc/passwd", `${quote(home)} holds a control character or a colon`);
  }

  const supplemental = security.supplementalGroups.map((id) => parseId("supplemental_groups", String(id)));
  const fromImage = security.supplementalGroupsPolicy === SupplementalGroupsPolicy.Strict || !entry
    ? []
    : groupsOf(entry.name, group);
  // The primary group belongs to the list: without it a process could drop the group and pass a file's "group: none" rule.
  const additionalGids = [...new Set([gid, ...fromImage, ...supplemental])];
  if (additionalGids.length > GROUPS_MAX) {
    throw invalid("supplemental_groups", `${additionalGids.length} groups; the kernel takes ${GROUPS_MAX}`);
  }
  return { uid, gid, additionalGids, home };
}

interface WantedUser {
  /** Field that a message should name. */
  from: string;
  user: string;
  group?: string;
}

function wantedUser({ security, input }: Section): WantedUser {
  const { runAsUser, runAsGroup, runAsUsername } = security;
  const group = runAsGroup === undefined ? undefined : String(runAsGroup.value);
  if (runAsUser && runAsUsername !== "") {
    throw invalid("run_as_user and run_as_username", "only one of them can be given");
  }
  if (runAsUser) return { from: "run_as_user", user: String(runAsUser.value), group };
  if (runAsUsername !== "") {
    if (breaksAccountLine(runAsUsername)) {
      throw invalid("run_as_username", `${quote(runAsUsername)} holds a control character or a colon`);
    }
    return { from: "run_as_username", user: runAsUsername, group };
  }
  if (group !== undefined) throw invalid("run_as_group", "it needs run_as_user or run_as_username");
  return imageUser(input.image.user);
}

function imageUser(text: string): WantedUser {
  const from = "USER of the image";
  if (text === "") return { from, user: "0" };
  const [user, group, ...more] = text.split(":");
  if (more.length > 0 || user === "" || group === "" || text.split(":").some(breaksAccountLine)) {
    throw invalid(from, `${quote(text)} is neither "user" nor "user:group"`);
  }
  return { from, user, group };
}

function findUser(user: string, passwd: PasswdEntry[], from: string): PasswdEntry | undefined {
  if (isNumeric(user)) {
    const uid = parseId(from, user);
    return passwd.find((entry) => /^\d+$/.test(entry.uid) && Number(entry.uid) === uid);
  }
  const entry = passwd.find((candidate) => candidate.name === user);
  if (!entry) throw invalid(from, `no user ${quote(user)} in the image's /etc/passwd`);
  return entry;
}

function findGroup(wanted: string, groups: GroupEntry[], from: string): number {
  if (isNumeric(wanted)) return parseId(`group of ${from}`, wanted);
  const entry = groups.find((candidate) => candidate.name === wanted);
  if (!entry) throw invalid(from, `no group ${quote(wanted)} in the image's /etc/group`);
  return parseId(`gid of ${quote(entry.name)} in /etc/group`, entry.gid);
}

function groupsOf(user: string, groups: GroupEntry[]): number[] {
  return groups.filter((entry) => entry.members.includes(user)).map((entry) =>
    parseId(`gid of ${quote(entry.name)} in /etc/group`, entry.gid)
  );
}

/**
 * True for whatever could be meant as a number, in any notation. Such text is never looked up as a name, so that a line
 * `1000:x:0:0` of a hostile image cannot turn a "non-root" number into root, nor 4294967296 wrap around to it.
 */
function isNumeric(text: string): boolean {
  return /^[+-]?\d/.test(text) && Number.isFinite(Number(text.replace(/^[+-]/, "")));
}

function parseId(field: string, text: string): number {
  const id = /^\d{1,10}$/.test(text) ? Number(text) : NaN;
  if (!(id <= ID_MAX)) throw invalid(field, `${quote(text)} is not a decimal number between 0 and ${ID_MAX}`);
  return id;
}
