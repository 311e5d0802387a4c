import {
  type CallContext,
  Code,
  Encoded,
  RpcError,
  Server,
  type ServerOptions,
  service,
} from "../../../src/rpc/mod.ts";

/** Messages are bytes as they are. */
const bytesCodec = {
  encode: (message: Uint8Array) => ({ finish: () => message }),
  decode: (bytes: Uint8Array): Uint8Array => {
    if (bytes[0] === 0xff) throw new Error("invalid wire type");
    return bytes;
  },
};

function unary<Name extends string>(name: Name) {
  return {
    name,
    requestType: bytesCodec,
    responseType: bytesCodec,
    requestStream: false,
    responseStream: false as const,
  };
}

export const BytesDefinition = {
  fullName: "test.v1.Bytes",
  methods: {
    echo: unary("Echo"),
    make: unary("Make"),
    join: unary("Join"),
    fail: unary("Fail"),
    wait: unary("Wait"),
    ignore: unary("Ignore"),
    missing: unary("Missing"),
    stream: { ...unary("Stream"), responseStream: true as const },
  },
};

export const path = (name: string) => `/test.v1.Bytes/${name}`;
export const utf8 = (text: string) => new TextEncoder().encode(text);
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** A server with handlers for every way a call can go, and what they saw. */
export class BytesServer implements AsyncDisposable {
  readonly calls: [method: string, code: Code, milliseconds: number][] = [];
  readonly contexts: CallContext[] = [];
  readonly warnings: string[] = [];
  /** Calls that wait, and reasons of those that were aborted. */
  waiting = 0;
  aborted: unknown[] = [];
  /** Ends the calls of Ignore, which do not listen to their signal. */
  readonly release: (() => void)[] = [];
  /** Messages that Stream has made. */
  produced = 0;
  streams = 0;
  readonly server: Server;
  #folder: string;

  private constructor(folder: string, options: Partial<ServerOptions>) {
    this.#folder = folder;
    this.server = new Server({
      services: [service(BytesDefinition, this.#handlers())],
      maxMessageBytes: 1024 * 1024,
      onCall: (...call) => this.calls.push(call),
      logger: {
        warn: (message, fields) => this.warnings.push(`${message}: ${fields?.reason}`),
        error: (message, fields) => this.warnings.push(`${message}: ${fields?.error}`),
      },
      ...options,
    });
  }

  static async start(options: Partial<ServerOptions> = {}): Promise<BytesServer> {
    const server = new BytesServer(await Deno.makeTempDir({ prefix: "skiff-rpc-" }), options);
    await server.server.listen(server.socket);
    return server;
  }

  get socket(): string {
    return `${this.#folder}/test.sock`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const release of this.release) release();
    await this.server.stop();
    await Deno.remove(this.#folder, { recursive: true });
  }

  #handlers() {
    return {
      echo: (request: Uint8Array, context: CallContext) => {
        this.contexts.push(context);
        return request;
      },
      /** As many bytes as the request says. */
      make: (request: Uint8Array) => new Uint8Array(Number(text(request))).fill(120),
      join: () => new Encoded([utf8("one,"), utf8(""), utf8("two")]),
      /** `code message`, or a plain error without a code. */
      fail: async (request: Uint8Array): Promise<Uint8Array> => {
        const [, code, message] = /^(\d*) (.*)$/s.exec(text(request))!;
        if (code === "") throw new Error(message, { cause: new Error("the cause") });
        throw new RpcError(Number(code) as Code, message);
      },
      wait: (_request: Uint8Array, { signal }: CallContext) => {
        this.waiting++;
        return new Promise<Uint8Array>((resolve, reject) => {
          this.release.push(() => resolve(utf8("released")));
          const abort = () => {
            this.waiting--;
            this.aborted.push(signal.reason);
            reject(signal.reason);
          };
          if (signal.aborted) abort();
          else signal.addEventListener("abort", abort);
        });
      },
      ignore: async () => {
        this.waiting++;
        await new Promise<void>((resolve) => this.release.push(resolve));
        this.waiting--;
        return new Uint8Array();
      },
      /** `count size`: messages; with a third word it throws after them. */
      stream: (request: Uint8Array, { signal }: CallContext) => this.#stream(text(request).split(" "), signal),
    };
  }

  async *#stream([count, size, failure]: string[], signal: AbortSignal): AsyncGenerator<Uint8Array> {
    this.streams++;
    try {
      for (let number = 0; number < Number(count) && !signal.aborted; number++) {
        this.produced++;
        yield new Uint8Array(Number(size)).fill(number);
      }
      if (failure !== undefined) throw new RpcError(Code.ABORTED, failure);
    } finally {
      this.streams--;
    }
  }
}

/** Waits for what another task does. */
export async function eventually(condition: () => boolean, what: string): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`waited in vain for ${what}`);
}
