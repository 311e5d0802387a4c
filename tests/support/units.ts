/** systemd's units, as systemctl shows them. */
import { run } from "./command.ts";

/** A property of a unit; empty for one that is not there. */
export async function property(unit: string, name: string): Promise<string> {
  return (await run("systemctl", ["show", "--value", `--property=${name}`, unit])).trim();
}

export async function properties(unit: string, ...names: string[]): Promise<Record<string, string>> {
  const values = await Promise.all(names.map((name) => property(unit, name)));
  return Object.fromEntries(names.map((name, index) => [name, values[index]]));
}

/** Names of the units that systemd has in memory, whatever has become of them. */
export async function unitsLike(pattern: string): Promise<string[]> {
  const lines = await run("systemctl", ["list-units", "--all", "--plain", "--no-legend", "--no-pager", pattern]);
  return lines.split("\n").map((line) => line.trim().split(/\s+/)[0]).filter((name) => name !== "").sort();
}

/** The cgroup of a process on v2. */
export const cgroupOf = (pid: number) => Deno.readTextFileSync(`/proc/${pid}/cgroup`).trim().replace(/^0::/, "");

/** The cgroup that systemd gives to a slice: a dash in its name says whose child it is. */
export function slicePath(slice: string): string {
  const parts = slice.replace(/\.slice$/, "").split("-");
  return parts.map((_, index) => `/${parts.slice(0, index + 1).join("-")}.slice`).join("");
}
