/** The process that a cluster lives in: takes orders over a unix socket, one line of JSON each, and ends with it. */
import { exists } from "../support/tools.ts";
import { ClusterNode } from "./cluster_node.ts";
import { type ClusterOptions, controlOf } from "./options.ts";

/** An order and, where it takes one, its argument. */
export interface Order {
  action: "restartDaemon" | "killDaemon" | "restartKubelet" | "reboot" | "registryDown" | "registryUp" | "down";
  argument?: Record<string, unknown>;
}

export type Answer = { ok: true } | { ok: false; error: string };

const OWNER_PERIOD_MS = 2_000;

export async function keep(options: ClusterOptions): Promise<void> {
  const cluster = await ClusterNode.start(options, (line) => console.log(line));
  const ended = Promise.withResolvers<void>();
  const listener = Deno.listen({ transport: "unix", path: controlOf(options.name) });
  // A terminal that is closed, or a test that is interrupted, ends the cluster as well.
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) Deno.addSignalListener(signal, () => ended.resolve());
  if (options.owner > 0) {
    setInterval(() => exists(`/proc/${options.owner}`) || ended.resolve(), OWNER_PERIOD_MS);
  }
  console.log("up");
  let last: Promise<unknown> = Promise.resolve();
  const serve = async () => {
    for await (const connection of listener) {
      // One order at a time, in the order in which they come.
      last = last.then(() => answer(cluster, connection, ended.resolve));
    }
  };
  serve();
  await ended.promise;
  await cluster[Symbol.asyncDispose]();
  await last;
  Deno.exit(0);
}

async function answer(cluster: ClusterNode, connection: Deno.Conn, end: () => void): Promise<void> {
  const reply = async (value: Answer) => {
    await connection.write(new TextEncoder().encode(`${JSON.stringify(value)}\n`));
    connection.close();
  };
  try {
    const order: Order = JSON.parse(await readLine(connection));
    if (order.action === "down") end();
    else if (order.action === "restartKubelet") await cluster.restartKubelet(order.argument);
    else await cluster[order.action]();
    await reply({ ok: true });
  } catch (error) {
    await reply({ ok: false, error: (error as Error).stack ?? String(error) }).catch(() => {});
  }
}

export async function readLine(connection: Deno.Conn): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  const buffer = new Uint8Array(65_536);
  while (!text.includes("\n")) {
    const count = await connection.read(buffer);
    if (count === null) break;
    text += decoder.decode(buffer.subarray(0, count), { stream: true });
  }
  return text;
}
