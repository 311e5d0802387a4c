/**
 * A CRI client over `npm:@grpc/grpc-js`: on purpose not the daemon's own code, so that both ends of the wire are never
 * wrong in the same way.
 */
import { Client, credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import { Buffer } from "node:buffer";
import { ImageServiceDefinition, RuntimeServiceDefinition } from "../../proto/gen/runtime/v1/api.ts";
import { AdminServiceDefinition } from "../../proto/gen/skiff/v1/admin.ts";
import { Code } from "../../src/rpc/status.ts";

export { Code };

interface MessageType {
  encode(message: any): { finish(): Uint8Array };
  decode(bytes: Uint8Array): any;
  fromPartial(object: any): any;
}
interface Method {
  name: string;
  requestType: MessageType;
  responseType: MessageType;
  responseStream: boolean;
}
interface Service {
  fullName: string;
  methods: Record<string, Method>;
}

export interface CallOptions {
  /** Milliseconds; default two minutes. */
  timeout?: number;
  signal?: AbortSignal;
}

type Request<M extends Method> = Parameters<M["requestType"]["fromPartial"]>[0];
type Response<M extends Method> = ReturnType<M["responseType"]["decode"]>;
type Call<M extends Method> = M["responseStream"] extends true
  ? (request?: Request<M>, options?: CallOptions) => AsyncIterable<Response<M>>
  : (request?: Request<M>, options?: CallOptions) => Promise<Response<M>>;
type Calls<S extends Service> = { [K in keyof S["methods"]]: Call<S["methods"][K]> };

/** A call that ended with another status than OK. */
export class CallError extends Error {
  override name = "CallError";
  constructor(readonly method: string, readonly code: Code, readonly details: string) {
    super(`${method}: ${Code[code]}: ${details}`);
  }
}

/** Every method of RuntimeService, ImageService and AdminService by its name in lower camel case. */
export type CriClient =
  & Calls<typeof RuntimeServiceDefinition>
  & Calls<typeof ImageServiceDefinition>
  & Calls<typeof AdminServiceDefinition>
  & Disposable;

/** Connects to the unix socket at `path`; the connection is made on the first call and made again when it broke. */
export function connect(path: string): CriClient {
  const open = () =>
    new Client(`unix:${path}`, credentials.createInsecure(), {
      "grpc.max_receive_message_length": -1,
      "grpc.max_send_message_length": -1,
      "grpc.initial_reconnect_backoff_ms": 100,
      "grpc.max_reconnect_backoff_ms": 200,
      "grpc.use_local_subchannel_pool": 1,
    });
  const channel = open();
  const calls: Record<string | symbol, unknown> = { [Symbol.dispose]: () => channel.close() };
  for (const service of [RuntimeServiceDefinition, ImageServiceDefinition, AdminServiceDefinition] as Service[]) {
    for (const [key, method] of Object.entries(service.methods)) {
      const path = `/${service.fullName}/${method.name}`;
      calls[key] = method.responseStream
        ? (request: unknown = {}, options: CallOptions = {}) => stream(channel, path, method, request, options)
        : async (request: unknown = {}, options: CallOptions = {}) => {
          if (!options.signal) return await unary(channel, path, method, request, options);
          // node:http2 of Deno 2.6 tells the server of a cancelled call by nothing but the end of its connection.
          const own = open();
          return await unary(own, path, method, request, options).finally(() => own.close());
        };
    }
  }
  return calls as unknown as CriClient;
}

const serializer = (method: Method) => (value: unknown) =>
  Buffer.from(method.requestType.encode(method.requestType.fromPartial(value)).finish());
const deserializer = (method: Method) => (bytes: Uint8Array) => method.responseType.decode(bytes);
const deadline = (options: CallOptions) => ({ deadline: Date.now() + (options.timeout ?? 120_000) });

function unary(
  channel: Client,
  path: string,
  method: Method,
  request: unknown,
  options: CallOptions,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const call = channel.makeUnaryRequest(
      path,
      serializer(method),
      deserializer(method),
      request,
      new Metadata(),
      deadline(options),
      (error: ServiceError | null, response?: unknown) =>
        error ? reject(new CallError(method.name, error.code as number, error.details)) : resolve(response),
    );
    options.signal?.addEventListener("abort", () => call.cancel(), { once: true });
  });
}

async function* stream(
  channel: Client,
  path: string,
  method: Method,
  request: unknown,
  options: CallOptions,
): AsyncIterable<any> {
  const call = channel.makeServerStreamRequest(
    path,
    serializer(method),
    deserializer(method),
    request,
    new Metadata(),
    deadline(options),
  );
  options.signal?.addEventListener("abort", () => call.cancel(), { once: true });
  try {
    for await (const message of call) yield message;
  } catch (error) {
    const { code, details } = error as ServiceError;
    throw new CallError(method.name, code as number, details ?? String(error));
  } finally {
    call.cancel();
  }
}
