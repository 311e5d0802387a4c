import { ErrorCode } from "./frames.ts";
import { messagePrefix, MessageReader } from "./message_reader.ts";
import type { RequestHeaders } from "./request_headers.ts";
import { errorTrailers, OK_TRAILERS, RESPONSE_HEAD, trailersOnly } from "./responses.ts";
import { Code, messageOf, RpcError } from "./status.ts";
import type { Stream, StreamConsumer } from "./stream.ts";
import { type Deadlines, parseTimeout } from "./timeout.ts";
import { type CallContext, type Codec, Encoded, type StreamHandler, type UnaryHandler } from "./types.ts";

/** A method that has a handler. */
export interface Method {
  /** `/service/Method`, as it goes over the wire. */
  path: string;
  requestType: Codec<unknown>;
  responseType: Codec<unknown>;
  handler: { unary: UnaryHandler<unknown, unknown> } | { stream: StreamHandler<unknown, unknown> };
}

/** What all calls of a server share. */
export interface CallEnvironment {
  maxMessageBytes: number;
  deadlines: Deadlines;
  logger?: { error(message: string, fields?: Record<string, unknown>): void };
  onCall?(method: string, code: Code, milliseconds: number): void;
}

/** One gRPC call: takes the request, runs the handler, sends what it returns. It is the handler's context too. */
export class Call implements StreamConsumer, CallContext {
  readonly method: string;
  readonly traceparent: string | undefined;
  deadline: number | undefined;
  expiresAt = Infinity;

  #stream: Stream;
  #method: Method;
  #environment: CallEnvironment;
  #startedAt = performance.now();
  #reader: MessageReader;
  #abort: AbortController | undefined;
  #abortReason: RpcError | undefined;
  #sentHead = false;
  /** The response is complete, or can no longer be sent. */
  #over = false;

  constructor(stream: Stream, method: Method, headers: RequestHeaders, environment: CallEnvironment) {
    this.method = method.path;
    this.traceparent = headers.traceparent;
    this.#stream = stream;
    this.#method = method;
    this.#environment = environment;
    this.#reader = new MessageReader(environment.maxMessageBytes);
    if (headers.timeout !== undefined) this.#setTimeout(headers.timeout);
  }

  /** Made when the handler first asks: most never do. */
  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.#abortReason !== undefined) this.#abort.abort(this.#abortReason);
    }
    return this.#abort.signal;
  }

  data(bytes: Uint8Array): void {
    if (this.#over) return;
    try {
      if (!this.#stream.connection.streams.hold(this.#stream, bytes.length)) {
        throw new RpcError(Code.RESOURCE_EXHAUSTED, "the unfinished requests of this connection fill its memory limit");
      }
      this.#reader.push(bytes);
    } catch (error) {
      this.#fail(error);
    }
  }

  end(): void {
    if (!this.#over) this.#serve();
  }

  aborted(reason: string): void {
    if (this.#over) return;
    this.#finish(Code.CANCELLED);
    this.#signalAbort(new RpcError(Code.CANCELLED, reason));
  }

  expire(): void {
    if (this.#over) return;
    const error = new RpcError(Code.DEADLINE_EXCEEDED, `${this.method}: the client's deadline has passed`);
    // A message that is cut off cannot be followed by trailers.
    if (this.#stream.pending > 0) {
      this.#finish(Code.DEADLINE_EXCEEDED);
      this.#stream.reset(ErrorCode.CANCEL);
    } else {
      this.#fail(error);
    }
    this.#signalAbort(error);
  }

  #setTimeout(value: string): void {
    const milliseconds = parseTimeout(value);
    if (milliseconds === undefined) {
      this.#fail(new RpcError(Code.INTERNAL, `malformed grpc-timeout ${JSON.stringify(value)}`));
      return;
    }
    this.deadline = Date.now() + milliseconds;
    this.expiresAt = this.#startedAt + milliseconds;
    this.#environment.deadlines.add(this);
  }

  async #serve(): Promise<void> {
    const { streams } = this.#stream.connection;
    streams.setWorking(this.#stream, true);
    try {
      await this.#run();
    } catch (error) {
      this.#fail(error);
    } finally {
      streams.setWorking(this.#stream, false);
    }
  }

  async #run(): Promise<void> {
    const bytes = this.#reader.finish();
    const { outbox } = this.#stream.connection;
    const room = outbox.room("call");
    if (room !== undefined) await room;
    if (this.#over) return;
    const request = this.#decode(bytes);
    const { handler } = this.#method;
    if ("unary" in handler) await this.#runUnary(handler.unary, request);
    else await this.#runStream(handler.stream, request);
  }

  async #runUnary(handler: UnaryHandler<unknown, unknown>, request: unknown): Promise<void> {
    const returned = handler(request, this);
    if (!(returned instanceof Promise)) return this.#respond(returned);
    const response = await returned;
    const room = this.#stream.connection.outbox.room("response");
    if (room !== undefined) await room;
    if (!this.#over) this.#respond(response);
  }

  #respond(response: unknown): void {
    const parts = this.#encode(response);
    this.#stream.sendHead(RESPONSE_HEAD);
    this.#stream.send(parts);
    this.#finish(Code.OK);
    this.#stream.end(OK_TRAILERS);
  }

  async #runStream(handler: StreamHandler<unknown, unknown>, request: unknown): Promise<void> {
    for await (const response of handler(request, this)) {
      const room = this.#stream.connection.outbox.room("response");
      if (room !== undefined) await room;
      if (this.#over) return;
      const parts = this.#encode(response);
      this.#openStream();
      this.#stream.send(parts);
      const drained = this.#stream.drained();
      if (drained !== undefined) await drained;
      if (this.#over) return;
    }
    if (this.#over) return;
    this.#openStream();
    this.#finish(Code.OK);
    this.#stream.end(OK_TRAILERS);
  }

  #openStream(): void {
    if (this.#sentHead) return;
    this.#sentHead = true;
    this.#stream.sendHead(RESPONSE_HEAD);
  }

  #decode(bytes: Uint8Array): unknown {
    try {
      return this.#method.requestType.decode(bytes);
    } catch (cause) {
      throw new RpcError(Code.INTERNAL, `${this.method}: cannot decode the request of ${bytes.length} bytes`, {
        cause,
      });
    }
  }

  /** A response as it goes into DATA frames. */
  #encode(response: unknown): Uint8Array[] {
    let parts: Uint8Array[];
    try {
      parts = response instanceof Encoded ? response.parts : [this.#method.responseType.encode(response).finish()];
    } catch (cause) {
      throw new RpcError(Code.INTERNAL, `${this.method}: cannot encode the response`, { cause });
    }
    let length = 0;
    for (const part of parts) length += part.length;
    const { maxMessageBytes } = this.#environment;
    if (length > maxMessageBytes) {
      throw new RpcError(
        Code.RESOURCE_EXHAUSTED,
        `${this.method}: the response has ${length} bytes, more than the limit of ${maxMessageBytes}`,
      );
    }
    return [messagePrefix(length), ...parts];
  }

  #fail(thrown: unknown): void {
    if (this.#over) return;
    let code = Code.UNKNOWN;
    if (thrown instanceof RpcError && thrown.code !== Code.OK) code = thrown.code;
    else this.#environment.logger?.error("a call failed unexpectedly", { method: this.method, error: thrown });
    const message = messageOf(thrown);
    this.#finish(code);
    this.#stream.end(this.#sentHead ? errorTrailers(code, message) : trailersOnly(code, message));
  }

  #finish(code: Code): void {
    this.#over = true;
    if (this.deadline !== undefined) this.#environment.deadlines.remove(this);
    this.#environment.onCall?.(this.method, code, performance.now() - this.#startedAt);
  }

  #signalAbort(reason: RpcError): void {
    this.#abortReason = reason;
    this.#abort?.abort(reason);
  }
}
