import { DatabaseSync } from "node:sqlite";

/** `skiff __checkpoint FILE`: folds the store's write-ahead log into the database. Syncs, so it is a process of its own. */
export function main(args: string[]): Promise<number> {
  const database = new DatabaseSync(args[0]);
  database.exec("PRAGMA busy_timeout=2000; PRAGMA synchronous=NORMAL; PRAGMA wal_checkpoint(PASSIVE);");
  database.close();
  return Promise.resolve(0);
}
