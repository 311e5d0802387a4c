import type { Kernel } from "../sys/mod.ts";

/** Variables of this process whose names fit. The binary may read few of them by itself. */
export function environmentOf(kernel: Kernel, names: RegExp): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const line of kernel.readText("/proc/self/environ").split("\0")) {
    const equals = line.indexOf("=");
    if (equals > 0 && names.test(line.slice(0, equals))) environment[line.slice(0, equals)] = line.slice(equals + 1);
  }
  return environment;
}
