import type { Message, MessageBus } from "dbus-native";
import { Code, messageOf, RpcError } from "../../rpc/status.ts";
import type { UnitProperty, Units } from "./units.ts";

/** The system bus. systemd's own socket, which works without one, is for its own tools alone, as systemd(1) says. */
const SYSTEM_BUS = "/run/dbus/system_bus_socket";

const SYSTEMD = "org.freedesktop.systemd1";
const UNIT_EXISTS = `${SYSTEMD}.UnitExists`;
const NO_SUCH_UNIT = `${SYSTEMD}.NoSuchUnit`;
/** What a job that was not to replace another says when there is one. */
const CONFLICTS = new Set([`${SYSTEMD}.TransactionIsDestructive`, `${SYSTEMD}.TransactionJobsConflicting`]);

const SIGNAL = 4;

/** Milliseconds for one answer, for the job that a call has begun, and until an idle connection is closed. */
const CALL_TIMEOUT = 20_000;
const JOB_TIMEOUT = 60_000;
const IDLE = 10_000;

/** Ends of jobs that nobody has asked for yet: an end may be told before the call that began it is answered. */
const ENDED_MAX = 256;

/** systemd, over D-Bus. Connects when something is asked, and hangs up when nothing is for a while. */
export class SystemdBus implements Units {
  readonly #socket: string;
  #connection?: Promise<Connection>;
  #idle?: ReturnType<typeof setTimeout>;
  #running = 0;

  constructor(socket = SYSTEM_BUS) {
    this.#socket = socket;
  }

  async start(unit: string, properties: UnitProperty[]): Promise<void> {
    await this.#use(`start ${unit}`, async (connection) => {
      try {
        await connection.job("StartTransientUnit", "ssa(sv)a(sa(sv))", [unit, "fail", variants(properties), []]);
      } catch (error) {
        if (!isNamed(error, UNIT_EXISTS) || !unit.endsWith(".slice")) throw error;
        await connection.job("StartUnit", "ss", [unit, "fail"]);
      }
    });
  }

  async stop(unit: string, { gently = false }: { gently?: boolean } = {}): Promise<void> {
    await this.#use(`stop ${unit}`, async (connection) => {
      try {
        await connection.job("StopUnit", "ss", [unit, gently ? "fail" : "replace"]);
        await connection.call("ResetFailedUnit", "s", [unit]);
      } catch (error) {
        if (isNamed(error, NO_SUCH_UNIT) || (gently && CONFLICTS.has(nameOf(error) ?? ""))) return;
        throw error;
      }
    });
  }

  async set(unit: string, properties: UnitProperty[]): Promise<void> {
    await this.#use(
      `set properties of ${unit}`,
      (connection) => connection.call("SetUnitProperties", "sba(sv)", [unit, true, variants(properties)]),
    );
  }

  async #use(what: string, work: (connection: Connection) => Promise<unknown>): Promise<void> {
    clearTimeout(this.#idle);
    this.#running++;
    try {
      await work(await this.#connect());
    } catch (error) {
      if (error instanceof RpcError) throw error;
      throw new RpcError(Code.INTERNAL, `systemd: ${what}: ${messageOf(error)}`, { cause: error });
    } finally {
      if (--this.#running === 0) {
        this.#idle = setTimeout(() => this.#hangUp(), IDLE);
        Deno.unrefTimer(this.#idle);
      }
    }
  }

  #connect(): Promise<Connection> {
    if (this.#connection) return this.#connection;
    const connection = Connection.open(this.#socket, () => {
      if (this.#connection === connection) this.#connection = undefined;
    });
    this.#connection = connection;
    connection.catch(() => this.#connection = undefined);
    return connection;
  }

  #hangUp(): void {
    const connection = this.#connection;
    this.#connection = undefined;
    connection?.then((one) => one.close(), () => {});
  }
}

class Connection {
  readonly #bus: MessageBus;
  /** Results of jobs that have ended, and who waits for which, by the job's path. */
  readonly #ended = new Map<string, string>();
  readonly #waiting = new Map<string, PromiseWithResolvers<string>>();

  private constructor(bus: MessageBus, onEnd: () => void) {
    this.#bus = bus;
    const end = (error?: unknown) => {
      onEnd();
      for (const { reject } of this.#waiting.values()) {
        reject(new Error(`systemd has hung up${error ? `: ${messageOf(error)}` : ""}`));
      }
      this.#waiting.clear();
    };
    bus.connection.on("close", end);
    bus.connection.on("end", () => end());
    // The calls that it fails say so themselves.
    bus.connection.on("error", () => {});
    bus.connection.on("message", (message: Message) => this.#notice(message));
  }

  /** RpcError UNAVAILABLE where there is no bus, or no systemd on it. */
  static async open(socket: string, onEnd: () => void): Promise<Connection> {
    // Only nodes with this driver need it in memory.
    const { default: dbus } = await import("dbus-native");
    // `direct`: the library's own Hello throws where nobody catches it.
    const bus = dbus.createClient({ socket, authMethods: ["EXTERNAL"], timeout: CALL_TIMEOUT, direct: true });
    const connection = new Connection(bus, onEnd);
    const failed = Promise.withResolvers<never>();
    failed.promise.catch(() => {});
    bus.connection.on("error", failed.reject);
    try {
      await Promise.race([failed.promise, connection.#subscribe()]);
      return connection;
    } catch (error) {
      connection.close();
      throw new RpcError(
        Code.UNAVAILABLE,
        `systemd cannot be reached over D-Bus at ${socket}: is it process 1 of this machine, and does dbus run?`,
        { cause: error },
      );
    }
  }

  async #subscribe(): Promise<void> {
    await this.#bus.invokeDbus({ member: "Hello" });
    await this.#bus.addMatch(`type='signal',interface='${SYSTEMD}.Manager',member='JobRemoved'`);
    await this.call("Subscribe");
  }

  async call(member: string, signature?: string, body?: unknown[]): Promise<any> {
    const path = "/org/freedesktop/systemd1";
    return await this.#bus.invoke({
      destination: SYSTEMD,
      path,
      interface: `${SYSTEMD}.Manager`,
      member,
      ...(signature !== undefined && { signature, body }),
    });
  }

  /** A call that is answered with a job; waits until that is done. */
  async job(member: string, signature: string, body: unknown[]): Promise<void> {
    const job: string = await this.call(member, signature, body);
    const result = this.#ended.get(job) ?? await this.#result(job);
    this.#ended.delete(job);
    if (result !== "done" && result !== "skipped") throw new Error(`systemd's job for it ended as "${result}"`);
  }

  async #result(job: string): Promise<string> {
    const waiting = Promise.withResolvers<string>();
    this.#waiting.set(job, waiting);
    const timer = setTimeout(
      () => waiting.reject(new Error(`systemd has not done it within ${JOB_TIMEOUT / 1000} s`)),
      JOB_TIMEOUT,
    );
    try {
      return await waiting.promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(job);
    }
  }

  #notice({ type, member, body }: Message): void {
    if (type !== SIGNAL || member !== "JobRemoved" || !body) return;
    const [, job, , result] = body as [number, string, string, string];
    const waiting = this.#waiting.get(job);
    if (waiting) return waiting.resolve(result);
    this.#ended.set(job, result);
    if (this.#ended.size > ENDED_MAX) this.#ended.delete(this.#ended.keys().next().value!);
  }

  close(): void {
    this.#bus.close().catch(() => {});
  }
}

const variants = (properties: UnitProperty[]) =>
  properties.map(([name, signature, value]) => [name, [signature, value]]);

const nameOf = (error: unknown) => (error as { dbusName?: string }).dbusName;
const isNamed = (error: unknown, name: string) => nameOf(error) === name;
