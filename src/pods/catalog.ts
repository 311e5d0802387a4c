import { Code, RpcError } from "../rpc/status.ts";
import type { ContainerConfig, PodSandboxConfig } from "../../proto/gen/runtime/v1/api.ts";
import type { Process } from "../oci/spec.ts";
import type { ContainerRecord, SandboxRecord } from "./types.ts";

/** A pod in memory. Change `record` only through {@link Sandbox.change}, so that cached replies are made again. */
export class Sandbox {
  /** The entry for ListPodSandbox, encoded; made on demand by cri/. */
  encoded?: Uint8Array;
  /** Set while it is stopped or removed: later calls join. */
  stopping?: Promise<void>;
  removing?: Promise<void>;

  constructor(public record: SandboxRecord, readonly config: PodSandboxConfig) {}

  get id(): string {
    return this.record.id;
  }

  change(fields: Partial<SandboxRecord>): SandboxRecord {
    Object.assign(this.record, fields);
    this.encoded = undefined;
    return this.record;
  }
}

/** A container in memory. */
export class Container {
  /** The entry for ListContainers, encoded; made on demand by cri/. */
  encoded?: Uint8Array;
  /** `process` of its config.json, for exec; read once. */
  process?: Process;
  /** Set while it starts: a start is never seen half done. */
  starting?: Promise<void>;
  removing?: Promise<void>;
  releasing?: Promise<void>;
  /** The running stop and its deadline (milliseconds since the epoch): a second stop only ever lowers it. */
  stop?: { deadline: number; done: Promise<void>; wake: () => void };
  /** Settles when the container has ended. */
  readonly exited: Promise<void>;
  #resolveExited!: () => void;

  constructor(public record: ContainerRecord, public config: ContainerConfig) {
    this.exited = new Promise((resolve) => this.#resolveExited = resolve);
    if (record.state === "exited") this.#resolveExited();
  }

  get id(): string {
    return this.record.id;
  }

  change(fields: Partial<ContainerRecord>): ContainerRecord {
    Object.assign(this.record, fields);
    this.encoded = undefined;
    if (this.record.state === "exited") this.#resolveExited();
    return this.record;
  }
}

/** Everything that exists, by ID and by name. Answers every read; the store only remembers it. */
export class Catalog {
  readonly sandboxes = new Map<string, Sandbox>();
  readonly containers = new Map<string, Container>();
  readonly #sandboxKeys = new Map<string, Sandbox>();
  readonly #containerKeys = new Map<string, Container>();
  readonly #bySandbox = new Map<string, Set<Container>>();

  addSandbox(sandbox: Sandbox): void {
    this.sandboxes.set(sandbox.id, sandbox);
    this.#sandboxKeys.set(sandbox.record.key, sandbox);
  }
  deleteSandbox(sandbox: Sandbox): void {
    this.sandboxes.delete(sandbox.id);
    this.#sandboxKeys.delete(sandbox.record.key);
    this.#bySandbox.delete(sandbox.id);
  }
  addContainer(container: Container): void {
    this.containers.set(container.id, container);
    this.#containerKeys.set(container.record.key, container);
    let siblings = this.#bySandbox.get(container.record.sandboxId);
    if (!siblings) this.#bySandbox.set(container.record.sandboxId, siblings = new Set());
    siblings.add(container);
  }
  deleteContainer(container: Container): void {
    this.containers.delete(container.id);
    this.#containerKeys.delete(container.record.key);
    this.#bySandbox.get(container.record.sandboxId)?.delete(container);
  }
  containersOf(sandboxId: string): Container[] {
    return [...this.#bySandbox.get(sandboxId) ?? []];
  }
  sandboxByKey(key: string): Sandbox | undefined {
    return this.#sandboxKeys.get(key);
  }
  containerByKey(key: string): Container | undefined {
    return this.#containerKeys.get(key);
  }

  /** By ID or an unambiguous prefix of one. */
  findSandbox(id: string): Sandbox | undefined {
    return find(this.sandboxes, id, "pod sandbox");
  }
  findContainer(id: string): Container | undefined {
    return find(this.containers, id, "container");
  }
  /** As findSandbox, but RpcError NOT_FOUND. */
  sandbox(id: string): Sandbox {
    const sandbox = this.findSandbox(id);
    if (!sandbox) throw new RpcError(Code.NOT_FOUND, `pod sandbox ${JSON.stringify(id)}: not found`);
    return sandbox;
  }
  container(id: string): Container {
    const container = this.findContainer(id);
    if (!container) throw new RpcError(Code.NOT_FOUND, `container ${JSON.stringify(id)}: not found`);
    return container;
  }
}

function find<T>(all: Map<string, T>, id: string, what: string): T | undefined {
  const exact = all.get(id);
  if (exact || id === "") return exact;
  let found: T | undefined;
  for (const [key, value] of all) {
    if (!key.startsWith(id)) continue;
    if (found) {
      throw new RpcError(
        Code.INVALID_ARGUMENT,
        `${what} ${JSON.stringify(id)}: more than one ID starts so; give more of it`,
      );
    }
    found = value;
  }
  return found;
}
