/**
 * The client that the CLI and the tests use, over grpc-js. A door of its own: the daemon never loads grpc-js.
 */
import { Buffer } from "node:buffer";
import * as grpc from "@grpc/grpc-js";
import { Code, RpcError } from "./status.ts";
import type { ServiceDefinition } from "./types.ts";

export interface CallOptions {
  /** Milliseconds after which the call ends with DEADLINE_EXCEEDED. */
  timeout?: number;
  /** Cancels the call. */
  signal?: AbortSignal;
}

type ClientMethod<M> = M extends {
  requestType: { fromPartial(object: infer Request): unknown };
  responseType: { decode(bytes: Uint8Array): infer Response };
  responseStream: infer Streams;
} ? Streams extends true ? (request: Request, options?: CallOptions) => AsyncIterable<Response>
  : (request: Request, options?: CallOptions) => Promise<Response>
  : never;

/** A function per method of the service, by its key in the description. */
export type Client<D extends ServiceDefinition> =
  & { [K in keyof D["methods"]]: ClientMethod<D["methods"][K]> }
  & Disposable;

type MethodDefinition = ServiceDefinition["methods"][string] & {
  requestType: { fromPartial(object: unknown): unknown };
};

/**
 * A client of one service on a unix socket. It connects with the first call; dispose of it to let the process end.
 *
 * Calls fail with an {@link RpcError}; when nobody can be reached its message says why, and what to do.
 */
export function connect<D extends ServiceDefinition>(socketPath: string, definition: D): Client<D> {
  const shared = openChannel(socketPath);
  const client: Record<PropertyKey, unknown> = { [Symbol.dispose]: () => shared.close() };
  for (const [key, method] of Object.entries(definition.methods as Record<string, MethodDefinition>)) {
    const path = `/${definition.fullName}/${method.name}`;
    client[key] = method.responseStream
      ? (request: unknown, options: CallOptions = {}) => streamCall(socketPath, path, method, request, options)
      : (request: unknown, options: CallOptions = {}) => unaryCall(shared, socketPath, path, method, request, options);
  }
  return client as Client<D>;
}

function openChannel(socketPath: string): grpc.Client {
  return new grpc.Client(`unix:${socketPath}`, grpc.credentials.createInsecure(), {
    "grpc.max_receive_message_length": -1,
    "grpc.max_send_message_length": -1,
    // Otherwise grpc-js lets channels to the same place share a connection, and closing one would not end it.
    "grpc.use_local_subchannel_pool": 1,
  });
}

function serialize(method: MethodDefinition): (request: unknown) => Buffer {
  return (request) => {
    const bytes = method.requestType.encode(method.requestType.fromPartial(request)).finish();
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };
}

function grpcOptions({ timeout }: CallOptions): grpc.CallOptions {
  return timeout === undefined ? {} : { deadline: Date.now() + timeout };
}

/**
 * A call that may be cancelled has a connection of its own: Deno 2.6's node:http2 sends no RST_STREAM for a request that
 * waits for its answer, so only the end of the connection tells the server.
 */
async function unaryCall(
  shared: grpc.Client,
  socketPath: string,
  path: string,
  method: MethodDefinition,
  request: unknown,
  options: CallOptions,
): Promise<unknown> {
  const { signal } = options;
  const channel = signal === undefined ? shared : openChannel(socketPath);
  let cancel = () => {};
  try {
    return await new Promise((resolve, reject) => {
      const decode = (bytes: Uint8Array) => method.responseType.decode(bytes);
      const settle = (error: grpc.ServiceError | null, response?: unknown) => error ? reject(error) : resolve(response);
      const metadata = new grpc.Metadata();
      const call = channel.makeUnaryRequest(
        path,
        serialize(method),
        decode,
        request,
        metadata,
        grpcOptions(options),
        settle,
      );
      cancel = () => call.cancel();
      cancelOn(signal, cancel);
    });
  } catch (error) {
    throw await explain(error, socketPath);
  } finally {
    signal?.removeEventListener("abort", cancel);
    if (channel !== shared) channel.close();
  }
}

/** It has a connection of its own for the same reason as a unary call that may be cancelled. */
async function* streamCall(
  socketPath: string,
  path: string,
  method: MethodDefinition,
  request: unknown,
  options: CallOptions,
): AsyncGenerator<unknown> {
  ignoreAbandonedReads();
  const channel = openChannel(socketPath);
  const decode = (bytes: Uint8Array) => method.responseType.decode(bytes);
  const metadata = new grpc.Metadata();
  const call = channel.makeServerStreamRequest(
    path,
    serialize(method),
    decode,
    request,
    metadata,
    grpcOptions(options),
  );
  const cancel = () => call.cancel();
  cancelOn(options.signal, cancel);
  try {
    for await (const response of call) yield response;
  } catch (error) {
    throw await explain(error, socketPath);
  } finally {
    options.signal?.removeEventListener("abort", cancel);
    // grpc-js reports our own cancel as an error event, which nobody waits for any more.
    call.on("error", () => {});
    call.cancel();
    channel.close();
  }
}

function cancelOn(signal: AbortSignal | undefined, cancel: () => void): void {
  if (signal?.aborted) cancel();
  else signal?.addEventListener("abort", cancel, { once: true });
}

let ignoresAbandonedReads = false;

/**
 * When a stream is cancelled, the read that Deno 2.6's node:http2 has under way fails with nobody to catch it, which
 * would end the process. Rejections from inside that module are of no use to anyone: grpc-js has told us by then.
 */
function ignoreAbandonedReads(): void {
  if (ignoresAbandonedReads) return;
  ignoresAbandonedReads = true;
  globalThis.addEventListener("unhandledrejection", (event) => {
    const frames = event.reason instanceof Error ? event.reason.stack?.split("\n").slice(1) : undefined;
    if (frames?.[0]?.includes("node:http2:")) event.preventDefault();
  });
}

/** What grpc-js threw, as an RpcError; when the socket itself is the trouble, in words that help. */
async function explain(error: unknown, socketPath: string): Promise<RpcError> {
  const { code, details, message } = error as Partial<grpc.ServiceError>;
  if (code === undefined) return new RpcError(Code.UNKNOWN, message ?? String(error), { cause: error });
  if (code === grpc.status.UNAVAILABLE) {
    const trouble = await troubleWithSocket(socketPath);
    if (trouble !== undefined) return trouble;
  }
  return new RpcError(code as number as Code, details || message || Code[code]);
}

async function troubleWithSocket(path: string): Promise<RpcError | undefined> {
  try {
    (await Deno.connect({ transport: "unix", path })).close();
    return undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      return new RpcError(
        Code.UNAVAILABLE,
        `cannot connect to ${path}: there is no such socket; is the daemon running, and is this the path it listens on?`,
      );
    }
    if (error instanceof Deno.errors.ConnectionRefused) {
      return new RpcError(
        Code.UNAVAILABLE,
        `cannot connect to ${path}: nobody listens on it; the daemon has ended, start it again`,
      );
    }
    if (error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotCapable) {
      return new RpcError(
        Code.PERMISSION_DENIED,
        `cannot connect to ${path}: permission denied; run as root, or as a member of the socket's group`,
      );
    }
    return new RpcError(Code.UNAVAILABLE, `cannot connect to ${path}`, { cause: error });
  }
}
