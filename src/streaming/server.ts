import type { Logger } from "../observe/types.ts";
import type { Kernel } from "../sys/mod.ts";
import { attach } from "./attach.ts";
import { exec } from "./exec.ts";
import { forwardOverSpdy, PORT_FORWARD_PROTOCOL } from "./forward_spdy.ts";
import { forwardOverWebSocket } from "./forward_websocket.ts";
import { type HttpHead, HttpRefusal, refusalResponse, upgradeOf } from "./http_head.ts";
import { LIMITS } from "./limits.ts";
import { agreeOnProtocol, remoteOverSpdy, SPDY_UPGRADE, upgradeToSpdy } from "./remote_spdy.ts";
import { remoteOverWebSocket } from "./remote_websocket.ts";
import { internalError } from "./status.ts";
import { Tokens } from "./tokens.ts";
import { SocketTransport } from "./transport.ts";
import type { AttachRequest, ExecRequest, PortForwardRequest, RemoteStreams, Status } from "./types.ts";
import { messageOf } from "../rpc/status.ts";

export interface StreamingOptions {
  kernel: Kernel;
  logger: Logger;
  /** Where clients connect to; default 127.0.0.1. Only the kubelet, on this node, is meant to. */
  address?: string;
  /** Default 0: one that is free. */
  port?: number;
  /** Serve TLS with this certificate chain and key, in PEM. */
  tls?: { cert: string; key: string };
  /** Milliseconds without a byte after which a session is ended; default 4 hours. */
  idleTimeout?: number;
  /** Milliseconds for a client to open its streams; default 30 s. */
  streamTimeout?: number;
}

type Request =
  | ({ kind: "exec" } & ExecRequest)
  | ({ kind: "attach" } & AttachRequest)
  | ({ kind: "portforward" } & PortForwardRequest);

const PATH = /^\/(exec|attach|portforward)\/([A-Za-z0-9_-]{22})$/;

/**
 * The HTTP server that exec, attach and port-forward sessions are streamed through, over SPDY/3.1 or WebSocket. A session
 * begins with a URL that is good for one connection within a minute.
 */
export class StreamingServer implements AsyncDisposable {
  readonly #kernel: Kernel;
  readonly #logger: Logger;
  readonly #options: StreamingOptions;
  readonly #idleTimeout: number;
  readonly #streamTimeout: number;
  readonly #tokens = new Tokens<Request>(LIMITS.tokens, LIMITS.tokenLifetime);
  readonly #connections = new Set<SocketTransport>();
  readonly #sessions = new Set<Promise<void>>();
  #listener?: Deno.Listener;
  #stopped = false;

  constructor(options: StreamingOptions) {
    this.#options = options;
    this.#kernel = options.kernel;
    this.#logger = options.logger;
    this.#idleTimeout = options.idleTimeout ?? 4 * 3_600_000;
    this.#streamTimeout = options.streamTimeout ?? 30_000;
  }

  /** Sessions and connections that have not become one yet. */
  get connections(): number {
    return this.#connections.size;
  }

  /** Begins to listen; called by the first request for a URL otherwise. */
  start(): void {
    if (this.#listener !== undefined || this.#stopped) return;
    const { address: hostname = "127.0.0.1", port = 0, tls } = this.#options;
    this.#listener = tls ? Deno.listenTls({ hostname, port, ...tls }) : Deno.listen({ hostname, port });
    this.#accept(this.#listener);
  }

  /** The URL for one exec session. RpcError RESOURCE_EXHAUSTED when too many are unused. */
  exec(request: ExecRequest): string {
    return this.#url({ kind: "exec", ...request });
  }

  attach(request: AttachRequest): string {
    return this.#url({ kind: "attach", ...request });
  }

  portForward(request: PortForwardRequest): string {
    return this.#url({ kind: "portforward", ...request });
  }

  #url(request: Request): string {
    this.start();
    const token = this.#tokens.issue(request);
    const { hostname, port } = this.#listener!.addr as Deno.NetAddr;
    const host = hostname.includes(":") ? `[${hostname}]` : hostname;
    return `${this.#options.tls ? "https" : "http"}://${host}:${port}/${request.kind}/${token}`;
  }

  /** Stops listening and ends every session; commands that were started by exec are killed. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    this.#tokens.clear();
    this.#listener?.close();
    for (const transport of this.#connections) transport.close();
    await Promise.all(this.#sessions);
  }

  async #accept(listener: Deno.Listener): Promise<void> {
    while (!this.#stopped) {
      let connection: Deno.Conn;
      try {
        connection = await listener.accept();
      } catch (error) {
        if (this.#stopped) return;
        // Out of descriptors, or a client that left before it was accepted: neither ends the server.
        this.#logger.warn("a streaming connection could not be accepted", { error });
        await new Promise((resolve) => setTimeout(resolve, 100));
        continue;
      }
      // Of TLS connections Deno does not have it.
      if ("setNoDelay" in connection) (connection as Deno.TcpConn).setNoDelay(true);
      const transport = new SocketTransport(connection);
      this.#connections.add(transport);
      const session = this.#serve(transport).finally(() => {
        transport.close();
        this.#connections.delete(transport);
        this.#sessions.delete(session);
      });
      this.#sessions.add(session);
    }
  }

  async #serve(transport: SocketTransport): Promise<void> {
    try {
      if (this.#connections.size > LIMITS.connections) throw new HttpRefusal(503, "too many connections");
      const head = await transport.readHead();
      if (head === undefined) return;
      const request = this.#take(head);
      transport.closeWhenIdle(this.#idleTimeout);
      if (request.kind === "portforward") await this.#forward(head, transport, request);
      else await this.#remoteCommand(head, transport, request);
    } catch (error) {
      if (error instanceof HttpRefusal) {
        await transport.write(refusalResponse(error)).catch(() => {});
        await transport.closeWrite();
      } else {
        // Mostly a client that goes away in the middle of things.
        this.#logger.debug("a streaming connection ended with an error", { error });
      }
    }
  }

  #take(head: HttpHead): Request {
    if (head.method !== "GET" && head.method !== "POST") {
      throw new HttpRefusal(405, `${head.method} is not served here`, { Allow: "GET, POST" });
    }
    const match = PATH.exec(head.path);
    const request = match && this.#tokens.take(match[2]);
    if (!request || request.kind !== match[1]) {
      throw new HttpRefusal(404, "no such session: a streaming URL is good for one connection within a minute");
    }
    return request;
  }

  async #remoteCommand(
    head: HttpHead,
    transport: SocketTransport,
    request: Exclude<Request, { kind: "portforward" }>,
  ): Promise<void> {
    const streams = await this.#open(head, transport, request);
    if (streams === undefined) return;
    let status: Status;
    try {
      status = request.kind === "exec"
        ? await exec(this.#kernel, await request.target(), streams, request.tty)
        : await attach(await request.target(), streams, this.#logger);
    } catch (error) {
      status = internalError(messageOf(error));
    }
    await streams.finish(status);
  }

  #open(
    head: HttpHead,
    transport: SocketTransport,
    request: Exclude<Request, { kind: "portforward" }>,
  ): Promise<RemoteStreams | undefined> {
    const upgrade = upgradeOf(head);
    if (upgrade === "websocket") return remoteOverWebSocket(head, transport, request);
    if (upgrade === SPDY_UPGRADE) return remoteOverSpdy(head, transport, request, this.#streamTimeout);
    throw noUpgrade();
  }

  async #forward(head: HttpHead, transport: SocketTransport, request: PortForwardRequest): Promise<void> {
    const upgrade = upgradeOf(head);
    if (upgrade === "websocket") return await forwardOverWebSocket(head, transport, request, this.#streamTimeout);
    if (upgrade !== SPDY_UPGRADE) throw noUpgrade();
    await upgradeToSpdy(transport, agreeOnProtocol(head, [PORT_FORWARD_PROTOCOL]));
    await forwardOverSpdy(transport, request, this.#streamTimeout);
  }
}

function noUpgrade(): HttpRefusal {
  return new HttpRefusal(400, "the request must ask for an upgrade to SPDY/3.1 or websocket");
}
