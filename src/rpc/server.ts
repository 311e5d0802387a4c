import { Call, type CallEnvironment, type Method } from "./call.ts";
import { Connection } from "./connection.ts";
import { DEFAULT_LIMITS, type Limits } from "./limits.ts";
import { NotGrpc, Refusal } from "./refusal.ts";
import type { RequestHeaders } from "./request_headers.ts";
import { listenOnSocket, type SocketFile } from "./socket_file.ts";
import { Code } from "./status.ts";
import type { Stream, StreamConsumer } from "./stream.ts";
import { Deadlines } from "./timeout.ts";
import type { Handlers, ServiceDefinition, StreamHandler, UnaryHandler } from "./types.ts";

const MEBIBYTE = 1024 * 1024;
/** How long closed connections may take to go: one whose peer does not read would take forever. */
const CLOSE_MILLISECONDS = 500;

export interface Service<D extends ServiceDefinition = ServiceDefinition> {
  definition: D;
  handlers: Handlers<D>;
}

export interface ServerOptions {
  services: Service<any>[];
  /** Of one message, either way. */
  maxMessageBytes: number;
  logger?: {
    warn(message: string, fields?: Record<string, unknown>): void;
    error(message: string, fields?: Record<string, unknown>): void;
  };
  /** Told of each call of a known method when it ends: `/service/Method`, its code, and how long it took. */
  onCall?: (method: string, code: Code, milliseconds: number) => void;
  limits?: Partial<Limits>;
}

type Route = Method | { unimplemented: string };

/** Ties a service's description and its handlers together, so that the compiler checks one against the other. */
export function service<D extends ServiceDefinition>(definition: D, handlers: Handlers<D>): Service<D> {
  return { definition, handlers };
}

/** A gRPC server on a unix socket: unary and server-streaming methods, no compression. */
export class Server {
  #options: ServerOptions;
  #limits: Limits;
  #routes = new Map<string, Route>();
  #serviceNames = new Set<string>();
  #environment: CallEnvironment;
  #connections = new Set<Connection>();
  #deadlines = new Deadlines();
  #socket: SocketFile | undefined;
  #accepting: Promise<void> | undefined;
  #onEmpty: (() => void) | undefined;

  constructor(options: ServerOptions) {
    this.#options = options;
    const { maxMessageBytes, logger } = options;
    this.#environment = { maxMessageBytes, logger, onCall: guarded(options), deadlines: this.#deadlines };
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#limits.maxQueuedOutBytes ||= 16 * MEBIBYTE + 2 * maxMessageBytes;
    this.#limits.maxBufferedInBytes ||= Math.max(64 * MEBIBYTE, 2 * maxMessageBytes);
    for (const { definition, handlers } of options.services) this.#addService(definition, handlers);
  }

  /**
   * Listens on a unix socket and serves until {@link Server.stop}. Its folder is made, 0700, when it does not exist.
   * @throws {RpcError} naming the path when another process answers on it, it is no socket, or it is too long.
   */
  async listen(path: string, { mode = 0o660 }: { mode?: number } = {}): Promise<void> {
    if (this.#socket !== undefined) throw new Error(`the server listens already, so it cannot listen on ${path}`);
    this.#socket = await listenOnSocket(path, mode);
    this.#accepting = this.#accept(this.#socket.listener);
  }

  /** Takes no new calls, waits up to `graceMilliseconds` for those that run, then aborts them. Removes its socket. */
  async stop(graceMilliseconds = 0): Promise<void> {
    const socket = this.#socket;
    if (socket === undefined) return;
    this.#socket = undefined;
    await socket.remove();
    socket.listener.close();
    await this.#accepting;
    for (const connection of this.#connections) connection.shutdown();
    if (this.#connections.size > 0) {
      const empty = new Promise<void>((resolve) => this.#onEmpty = resolve);
      await within(graceMilliseconds, empty);
      for (const connection of this.#connections) connection.close("the server stops");
      if (this.#connections.size > 0) await within(CLOSE_MILLISECONDS, empty);
    }
    this.#deadlines.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #addService(definition: ServiceDefinition, handlers: Record<string, unknown>): void {
    this.#serviceNames.add(definition.fullName);
    for (const [key, method] of Object.entries(definition.methods)) {
      const path = `/${definition.fullName}/${method.name}`;
      const handler = handlers[key];
      if (typeof handler !== "function" || method.requestStream) {
        this.#routes.set(path, { unimplemented: `${path.slice(1)} is not implemented` });
        continue;
      }
      const bound = handler.bind(handlers);
      this.#routes.set(path, {
        path,
        requestType: method.requestType,
        responseType: method.responseType,
        handler: method.responseStream
          ? { stream: bound as StreamHandler<unknown, unknown> }
          : { unary: bound as UnaryHandler<unknown, unknown> },
      });
    }
  }

  #answer(stream: Stream, headers: RequestHeaders): StreamConsumer {
    if (headers.tooLarge) {
      const message = `the request's headers are over the limit of ${this.#limits.maxHeaderListBytes} bytes`;
      return new Refusal(stream, Code.RESOURCE_EXHAUSTED, message);
    }
    if (headers.method !== "POST" || !/^application\/grpc(\+proto)?(;|$)/.test(headers.contentType)) {
      return new NotGrpc(stream);
    }
    const route = this.#routes.get(headers.path);
    if (route === undefined) return new Refusal(stream, Code.UNIMPLEMENTED, this.#unknown(headers.path));
    if (headers.encoding !== undefined && headers.encoding !== "identity") {
      const message = `grpc-encoding ${headers.encoding} is not supported; send messages uncompressed`;
      return new Refusal(stream, Code.UNIMPLEMENTED, message, [["grpc-accept-encoding", "identity"]]);
    }
    if ("unimplemented" in route) return new Refusal(stream, Code.UNIMPLEMENTED, route.unimplemented);
    return new Call(stream, route, headers, this.#environment);
  }

  #unknown(path: string): string {
    const [, name = "", method = ""] = /^\/([^/]+)\/(.+)$/.exec(path) ?? [];
    if (method === "") return `${path} does not name a service and a method`;
    return this.#serviceNames.has(name) ? `unknown method ${method} of service ${name}` : `unknown service ${name}`;
  }

  async #accept(listener: Deno.Listener<Deno.UnixConn>): Promise<void> {
    for (;;) {
      let conn: Deno.Conn;
      try {
        conn = await listener.accept();
      } catch (error) {
        if (this.#socket === undefined) return;
        // Out of descriptors, most likely: connections wait in the backlog until some are free.
        this.#options.logger?.warn("cannot accept a connection", { error });
        await new Promise((resolve) => setTimeout(resolve, 100));
        continue;
      }
      if (this.#connections.size >= this.#limits.maxConnections) {
        this.#options.logger?.warn("a connection is closed", {
          reason: "there are too many",
          limit: this.#limits.maxConnections,
        });
        conn.close();
        continue;
      }
      this.#serve(conn);
    }
  }

  async #serve(conn: Deno.Conn): Promise<void> {
    const connection = new Connection(conn, {
      limits: this.#limits,
      accept: (stream, headers) => this.#answer(stream, headers),
      onError: (reason) => this.#options.logger?.warn("a connection is closed", { reason }),
    });
    this.#connections.add(connection);
    if (this.#socket === undefined) connection.shutdown();
    await connection.run();
    this.#connections.delete(connection);
    if (this.#connections.size === 0) this.#onEmpty?.();
  }
}

async function within(milliseconds: number, event: Promise<void>): Promise<void> {
  let timer = 0;
  await Promise.race([event, new Promise<void>((resolve) => timer = setTimeout(resolve, milliseconds))]);
  clearTimeout(timer);
}

/** An observer that throws must not end the call it observes, or the daemon. */
function guarded({ onCall, logger }: ServerOptions): ServerOptions["onCall"] {
  if (onCall === undefined) return undefined;
  return (method, code, milliseconds) => {
    try {
      onCall(method, code, milliseconds);
    } catch (error) {
      logger?.error("an observer of calls failed", { method, error });
    }
  };
}
