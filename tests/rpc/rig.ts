/** The test server in a process of its own, and a TCP port that leads to its socket. */
const serverSource = new URL("./server.ts", import.meta.url).pathname;
const root = new URL("../..", import.meta.url).pathname;

export interface RunningServer extends AsyncDisposable {
  socket: string;
}

export async function startServer(): Promise<RunningServer> {
  const folder = await Deno.makeTempDir({ prefix: "skiff-rpc-" });
  const socket = `${folder}/server.sock`;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--config", `${root}deno.json`, serverSource, socket],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const output = child.stdout.getReader();
  const { done } = await output.read();
  if (done) throw new Error("the test server ended before it was ready");
  return {
    socket,
    async [Symbol.asyncDispose]() {
      await child.stdin.close();
      await output.cancel();
      await child.status;
      await Deno.remove(folder, { recursive: true });
    },
  };
}

/** Forwards a port of the loopback address to a unix socket, for tools that know only TCP. */
export function forward(socket: string): AsyncDisposable & { port: number } {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const pairs = new Set<Promise<void>>();
  const accepting = (async () => {
    for await (const client of listener) {
      const pair = connectPair(client, socket).finally(() => pairs.delete(pair));
      pairs.add(pair);
    }
  })();
  return {
    port: listener.addr.port,
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting;
      await Promise.all(pairs);
    },
  };
}

async function connectPair(client: Deno.TcpConn, socket: string): Promise<void> {
  const server = await Deno.connect({ transport: "unix", path: socket });
  // What the server still says after the client has closed matters to nobody; the other way round it is the verdict.
  const up = client.readable.pipeTo(server.writable).catch(() => {});
  await server.readable.pipeTo(client.writable).catch(() => {});
  await up;
}
