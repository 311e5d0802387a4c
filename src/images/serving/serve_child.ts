import { isIP } from "node:net";
import { messageOf } from "../../rpc/status.ts";
import { LineSplitter } from "../child_events.ts";
import { enterSandbox } from "../sandbox.ts";
import { type Answer, answer, failure, type Question } from "./answers.ts";
import { Content } from "./child_content.ts";
import { HttpServer } from "./http_server.ts";
import { Repositories } from "./repositories.ts";
import type { ServeCommand, ServeEvent, ServeTask } from "./types.ts";
import { sayLine } from "../say_line.ts";

/** A config is at most 64 MB, and in base64. */
const MAX_LINE = 128 << 20;
const MAX_CONNECTIONS = 64;
/** Then the process ends, and the daemon starts another one. */
const MAX_STUCK = 256;
const PATIENCE = { head: 10_000, idle: 60_000, send: 60_000 };

/**
 * `skiff __images`: the registry of the node's own images. It has no libc, may write nothing and start nothing, and knows of
 * no file but those of layers that the daemon names on its standard input, whose end is its own.
 */
export async function main(_args: string[]): Promise<number> {
  const repositories = new Repositories();
  const content = new Content(({ digest, file }) => say({ event: "damaged", digest, file }));
  const lines = new LineSplitter(MAX_LINE);
  let isOpen = false;
  try {
    for await (const bytes of Deno.stdin.readable) {
      for (const line of lines.push(bytes)) {
        if (isOpen) {
          take(JSON.parse(line) as ServeCommand, repositories, content);
          continue;
        }
        isOpen = true;
        open(JSON.parse(line) as ServeTask, repositories, content);
      }
    }
    Deno.exit(0);
  } catch (error) {
    say({ event: "error", message: messageOf(error) });
    return 1;
  }
}

function open(task: ServeTask, repositories: Repositories, content: Content): void {
  const { hostname, port, tls } = task;
  const listener = tls ? Deno.listenTls({ hostname, port, ...tls }) : Deno.listen({ hostname, port });
  enterSandbox(["read", "net"]);
  for (const path of ["/etc/skiff", "/run/skiff"]) Deno.permissions.revokeSync({ name: "read", path });
  const isPrivate = isLoopback(hostname);
  const server = new HttpServer({
    answer: (question) => isPrivate && isRebound(question) ? WRONG_HOST : answer(question, repositories),
    content: (body) => content.read(body),
    maxConnections: MAX_CONNECTIONS,
    patience: PATIENCE,
    onStuck: (count) => {
      if (count < MAX_STUCK) return;
      say({ event: "error", message: `${count} clients hold connections and take nothing` });
      Deno.exit(1);
    },
  });
  server.serve(listener);
  say({ event: "listening" });
}

function take(command: ServeCommand, repositories: Repositories, content: Content): void {
  if ("put" in command) return repositories.put(command.put);
  for (const digest of repositories.layersOf(command.remove)) content.forget(digest);
  repositories.remove(command.remove);
}

const WRONG_HOST: Answer = failure(403, "DENIED", "ask for this registry by an address of loopback, or as localhost");

/** A page of the web can have a name of its own point to loopback, and then read as if it came from there. */
function isRebound({ headers }: Question): boolean {
  const host = (headers.get("host") ?? "").replace(/:[0-9]*$/, "").replace(/^\[(.*)\]$/, "$1");
  return host !== "localhost" && isIP(host) === 0;
}

function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "::1" || hostname.startsWith("127.");
}

function say(event: ServeEvent): void {
  sayLine(Deno.stderr, event);
}
