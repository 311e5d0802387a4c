/** gRPC over HTTP/2 on a unix socket. The client is a door of its own, `client.ts`: the daemon never loads it. */
export { encodeField } from "./encoded.ts";
export type { Limits } from "./limits.ts";
export { Server, type ServerOptions, type Service, service } from "./server.ts";
export { Code, messageOf, RpcError } from "./status.ts";
export {
  type CallContext,
  type Codec,
  Encoded,
  type Handlers,
  type ServiceDefinition,
  type StreamHandler,
  type UnaryHandler,
} from "./types.ts";
