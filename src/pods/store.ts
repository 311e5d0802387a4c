import { DatabaseSync, type StatementSync } from "node:sqlite";
import { ContainerConfig, PodSandboxConfig } from "../../proto/gen/runtime/v1/api.ts";
import type { ImageRecord, ImageTable, LayerRecord } from "../images/types.ts";
import { type Kernel, SharedWork } from "../sys/mod.ts";
import type { ContainerRecord, SandboxRecord, StoredContainer, StoredSandbox } from "./types.ts";

/** Version of the tables. Columns are only ever added, and rows carry their own `schema`, so that an older binary can still read what a newer one wrote. */
const TABLES_VERSION = 1;

/** Past this size the write-ahead log is folded into the database by {@link StoreOptions.checkpoint}. */
const CHECKPOINT_BYTES = 16 << 20;

const TABLES = `
  CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS sandboxes (id TEXT PRIMARY KEY, record TEXT NOT NULL, config BLOB NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS containers (id TEXT PRIMARY KEY, record TEXT NOT NULL, config BLOB NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS images (id TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS layers (diff_id TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS journal (seq INTEGER PRIMARY KEY AUTOINCREMENT, job TEXT NOT NULL, kind TEXT NOT NULL, args TEXT NOT NULL, boot TEXT NOT NULL) STRICT;
`;

export interface JournalRow {
  seq: number;
  job: string;
  kind: string;
  args: unknown;
  /** The boot in which the thing was made. */
  boot: string;
}

export interface StoreOptions {
  /** Path of the database file; its folder exists. */
  path: string;
  kernel: Kernel;
  bootId: string;
  /** Folds the write-ahead log into the database in another process: it fsyncs, which may not happen on the main thread. */
  checkpoint?: (path: string) => Promise<void>;
}

/**
 * Pods, containers, images and the journal on disk (SQLite, WAL). Commits do not wait for the disk: rows about kernel
 * objects die with power as the objects do. Who promises durability awaits {@link Store.durable}.
 */
export class Store implements ImageTable {
  #database: DatabaseSync;
  #options: StoreOptions;
  #statements = new Map<string, StatementSync>();
  #syncs = new SharedWork(() => this.#sync());
  #checkpointing?: Promise<void>;

  constructor(options: StoreOptions) {
    this.#options = options;
    this.#database = new DatabaseSync(options.path);
    this.#database.exec(
      "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=0; PRAGMA busy_timeout=2000; PRAGMA cache_size=-256;",
    );
    this.#database.exec(TABLES);
    const version = Number(this.#get("SELECT value FROM meta WHERE key='tables'")?.value ?? 0);
    if (version > TABLES_VERSION) {
      this.#database.close();
      throw new Error(
        `store ${options.path}: written by a newer skiff (tables version ${version}, this one knows ${TABLES_VERSION}); start the newer one`,
      );
    }
    this.#run("INSERT OR REPLACE INTO meta VALUES ('tables', ?)", String(TABLES_VERSION));
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (!statement) this.#statements.set(sql, statement = this.#database.prepare(sql));
    return statement;
  }
  #run(sql: string, ...values: (string | number | Uint8Array)[]): void {
    this.#prepare(sql).run(...values);
  }
  #get(sql: string): Record<string, any> | undefined {
    return this.#prepare(sql).get() as Record<string, any> | undefined;
  }
  #all(sql: string): Record<string, any>[] {
    return this.#prepare(sql).all() as Record<string, any>[];
  }

  /** All or nothing: `body` must be synchronous. */
  transaction<T>(body: () => T): T {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      const result = body();
      this.#database.exec("COMMIT");
      return result;
    } catch (error) {
      this.#database.exec("ROLLBACK");
      throw error;
    }
  }

  /**
   * Settles once everything committed before the call is on the disk. Callers share one fdatasync of the write-ahead log,
   * made off the main thread: a caller that comes while one runs waits for the next, as its rows may be too late for this one.
   */
  durable(): Promise<void> {
    return this.#syncs.run();
  }
  async #sync(): Promise<void> {
    const { kernel, path } = this.#options;
    const fd = kernel.open(`${path}-wal`, 0);
    try {
      await kernel.fdatasync(fd);
    } finally {
      const size = kernel.fstat(fd).size;
      kernel.close(fd);
      if (size > CHECKPOINT_BYTES && this.#options.checkpoint) {
        this.#checkpointing ??= this.#options.checkpoint(path).finally(() => this.#checkpointing = undefined);
      }
    }
  }

  // -- pods and containers
  sandboxes(): StoredSandbox[] {
    return this.#all("SELECT record, config FROM sandboxes").map((row) => ({
      record: JSON.parse(row.record) as SandboxRecord,
      config: PodSandboxConfig.decode(row.config),
    }));
  }
  putSandbox(record: SandboxRecord, config: PodSandboxConfig): void {
    this.#run(
      "INSERT INTO sandboxes VALUES (?, ?, ?)",
      record.id,
      JSON.stringify(record),
      PodSandboxConfig.encode(config).finish(),
    );
  }
  updateSandbox(record: SandboxRecord): void {
    this.#run("UPDATE sandboxes SET record=? WHERE id=?", JSON.stringify(record), record.id);
  }
  deleteSandbox(id: string): void {
    this.#run("DELETE FROM sandboxes WHERE id=?", id);
  }
  containers(): StoredContainer[] {
    return this.#all("SELECT record, config FROM containers").map((row) => ({
      record: JSON.parse(row.record) as ContainerRecord,
      config: ContainerConfig.decode(row.config),
    }));
  }
  putContainer(record: ContainerRecord, config: ContainerConfig): void {
    this.#run(
      "INSERT INTO containers VALUES (?, ?, ?)",
      record.id,
      JSON.stringify(record),
      ContainerConfig.encode(config).finish(),
    );
  }
  updateContainer(record: ContainerRecord, config?: ContainerConfig): void {
    this.#run("UPDATE containers SET record=? WHERE id=?", JSON.stringify(record), record.id);
    if (config) {
      this.#run("UPDATE containers SET config=? WHERE id=?", ContainerConfig.encode(config).finish(), record.id);
    }
  }
  deleteContainer(id: string): void {
    this.#run("DELETE FROM containers WHERE id=?", id);
  }

  // -- the journal of things that outlive the process
  addJournal(job: string, kind: string, args: unknown): number {
    const { lastInsertRowid } = this.#prepare("INSERT INTO journal (job, kind, args, boot) VALUES (?, ?, ?, ?)")
      .run(job, kind, JSON.stringify(args), this.#options.bootId);
    return Number(lastInsertRowid);
  }
  deleteJournal(seq: number): void {
    this.#run("DELETE FROM journal WHERE seq=?", seq);
  }
  clearJournal(job: string): void {
    this.#run("DELETE FROM journal WHERE job=?", job);
  }
  /** Newest first: the order in which things are taken down. */
  journal(): JournalRow[] {
    return this.#all("SELECT seq, job, kind, args, boot FROM journal ORDER BY seq DESC").map((row) => ({
      seq: Number(row.seq),
      job: row.job,
      kind: row.kind,
      args: JSON.parse(row.args),
      boot: row.boot,
    }));
  }

  // -- images and layers
  images(): ImageRecord[] {
    return this.#all("SELECT record FROM images").map((row) => {
      const record = JSON.parse(row.record);
      return { ...record, pulledAt: BigInt(record.pulledAt) };
    });
  }
  layers(): LayerRecord[] {
    return this.#all("SELECT record FROM layers").map((row) => JSON.parse(row.record));
  }
  putImage(image: ImageRecord): Promise<void> {
    this.#run(
      "INSERT OR REPLACE INTO images VALUES (?, ?)",
      image.id,
      JSON.stringify({ ...image, pulledAt: String(image.pulledAt) }),
    );
    return this.durable();
  }
  deleteImage(id: string): Promise<void> {
    this.#run("DELETE FROM images WHERE id=?", id);
    return Promise.resolve();
  }
  putLayer(layer: LayerRecord): Promise<void> {
    this.#run("INSERT OR REPLACE INTO layers VALUES (?, ?)", layer.diffId, JSON.stringify(layer));
    return this.durable();
  }
  deleteLayer(diffId: string): Promise<void> {
    this.#run("DELETE FROM layers WHERE diff_id=?", diffId);
    return Promise.resolve();
  }

  meta(key: string): string | undefined {
    const row = this.#prepare("SELECT value FROM meta WHERE key=?").get(key) as { value: string } | undefined;
    return row?.value;
  }
  setMeta(key: string, value: string): void {
    this.#run("INSERT OR REPLACE INTO meta VALUES (?, ?)", key, value);
  }

  async close(): Promise<void> {
    await this.#checkpointing;
    await this.#syncs.idle();
    this.#statements.clear();
    this.#database.close();
  }
}
