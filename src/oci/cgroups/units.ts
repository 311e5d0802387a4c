/** A property of a unit as D-Bus has it: name, signature of the value, value. See org.freedesktop.systemd1(5). */
export type UnitProperty = [name: string, signature: string, value: boolean | number | bigint | string | number[]];

/** What the systemd cgroup driver asks of systemd. Every call returns once systemd has done it. */
export interface Units {
  /** Makes and starts a transient slice or scope. A unit of this name that is there already is started. */
  start(unit: string, properties: UnitProperty[]): Promise<void>;
  /** Stops a unit and makes systemd forget it; not there is fine. `gently`: not when something of it is about to start. */
  stop(unit: string, options?: { gently?: boolean }): Promise<void>;
  /** Sets properties until the next boot. */
  set(unit: string, properties: UnitProperty[]): Promise<void>;
}
