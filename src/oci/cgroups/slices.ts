import { invalid, quote } from "../refusal.ts";

/** Longest name of a unit; see systemd.unit(5). */
const UNIT_NAME_LENGTH = 255;

const SUFFIX = ".slice";

/** `a.slice`, `a-b.slice`: what systemd takes for a slice, without its escapes, which nobody who names pods writes. */
const SLICE_NAME = /^[A-Za-z0-9_:.]+(?:-[A-Za-z0-9_:.]+)*\.slice$/;

/** Depth is bounded by the length of the name, but each level is a folder that somebody has to make and remove. */
const DEPTH_MAX = 16;

/** A slice by its name, or by its path as the kubelet writes it; `field` is named when it is neither. */
export function parseSlice(field: string, text: string): { name: string; path: string } {
  const name = text.slice(text.lastIndexOf("/") + 1);
  if (!name.endsWith(SUFFIX)) {
    throw invalid(
      field,
      `${quote(text)} is not a systemd slice (NAME.slice), which the cgroup driver "systemd" needs: ` +
        "set the same cgroupDriver for skiff and for the kubelet",
    );
  }
  if (!SLICE_NAME.test(name) || name.length > UNIT_NAME_LENGTH) {
    throw invalid(
      field,
      `${quote(name)} is not the name of a slice: letters, digits, "_", ":" and "." with single "-" between them, ` +
        `at most ${UNIT_NAME_LENGTH} characters`,
    );
  }
  const path = expandSlice(name);
  if (path.split("/").length - 1 > DEPTH_MAX) throw invalid(field, `${quote(name)} is more than ${DEPTH_MAX} deep`);
  // systemd derives the place from the name alone: another path would never be where the processes are.
  if (text !== name && text.replace(/\/+/g, "/") !== path) {
    throw invalid(field, `${quote(text)} is not where systemd has ${name}: that is ${path}`);
  }
  return { name, path };
}

/** Each dash is a level: `a-b.slice` is at `/a.slice/a-b.slice`. */
export function expandSlice(name: string): string {
  const words = name.slice(0, -SUFFIX.length).split("-");
  return words.map((_, index) => `/${words.slice(0, index + 1).join("-")}${SUFFIX}`).join("");
}

/** Whether a path ends in what looks like a slice. */
export function isSlicePath(path: string): boolean {
  return path.endsWith(SUFFIX);
}

/** Name of a scope of ours. */
export function scopeName(id: string): string {
  const name = `skiff-${id}.scope`;
  if (name.length > UNIT_NAME_LENGTH) throw invalid("cgroup", `${quote(name)} is longer than a unit's name may be`);
  return name;
}
