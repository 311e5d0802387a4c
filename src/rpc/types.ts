/** What a handler knows of the call it answers. */
export interface CallContext {
  /** Aborted when the client goes away, cancels, or its deadline passes. */
  signal: AbortSignal;
  /** Milliseconds since the epoch, or undefined when the client set none. */
  deadline?: number;
  /** `/runtime.v1.RuntimeService/Version`: the method as it goes over the wire. */
  method: string;
  /** The W3C trace context that the client sent, as sent. */
  traceparent?: string;
}

export type UnaryHandler<Request, Response> = (request: Request, context: CallContext) => Promise<Response> | Response;
/** Its iterator must end when the signal is aborted: nothing else ends one that waits for something to send. */
export type StreamHandler<Request, Response> = (request: Request, context: CallContext) => AsyncIterable<Response>;

/** A message codec as ts-proto generates it. */
export interface Codec<T> {
  encode(message: T): { finish(): Uint8Array };
  decode(bytes: Uint8Array): T;
}

/** A service description as ts-proto generates it (`outputServices=generic-definitions`). */
export interface ServiceDefinition {
  fullName: string;
  methods: Record<
    string,
    { name: string; requestType: Codec<any>; responseType: Codec<any>; requestStream: boolean; responseStream: boolean }
  >;
}

/** Handlers by the method's key in the description; a method without one answers UNIMPLEMENTED and its name. A unary handler may return an {@link Encoded} to skip the codec. */
export type Handlers<D extends ServiceDefinition> = {
  [K in keyof D["methods"]]?: D["methods"][K] extends
    { requestType: Codec<infer Q>; responseType: Codec<infer R>; responseStream: infer S }
    ? S extends true ? StreamHandler<Q, R | Encoded> : UnaryHandler<Q, R | Encoded>
    : never;
};

/** A response that is encoded already: lists keep the bytes of each entry and only join them. */
export class Encoded {
  constructor(readonly parts: Uint8Array[]) {}
}
