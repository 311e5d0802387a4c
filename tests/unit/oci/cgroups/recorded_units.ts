import type { UnitProperty, Units } from "../../../../src/oci/mod.ts";

/** A systemd that writes down what it is asked; a real one is in the guest. */
export class RecordedUnits implements Units {
  readonly calls: unknown[][] = [];
  /** Thrown by every start. */
  failure?: Error;

  async start(unit: string, properties: UnitProperty[]): Promise<void> {
    this.calls.push(["start", unit, properties]);
    if (this.failure) throw this.failure;
  }

  async stop(unit: string, options: { gently?: boolean } = {}): Promise<void> {
    this.calls.push(["stop", unit, options]);
  }

  async set(unit: string, properties: UnitProperty[]): Promise<void> {
    this.calls.push(["set", unit, properties]);
  }

  /** The properties that a unit was started with, by name. */
  started(unit: string): Record<string, UnitProperty[2]> {
    const call = this.calls.find(([verb, name]) => verb === "start" && name === unit);
    if (!call) throw new Error(`${unit} was not started`);
    return Object.fromEntries((call[2] as UnitProperty[]).map(([name, , value]) => [name, value]));
  }
}
