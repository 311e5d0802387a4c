/**
 * The server that the conformance suites run against: `deno run -A tests/rpc/server.ts SOCKET`. It prints "ready" and
 * serves until its standard input ends. Methods without a handler here must answer UNIMPLEMENTED by name.
 */
import { Container, ImageServiceDefinition, RuntimeServiceDefinition } from "../../proto/gen/runtime/v1/api.ts";
import { type Code, Encoded, encodeField, RpcError, Server, service } from "../../src/rpc/mod.ts";

/** Field number of `containers` in ListContainersResponse. */
const CONTAINERS_FIELD = 1;
const MEBIBYTE = 1024 * 1024;

/** What the cancel, disconnect and stream checks look at, through Status. */
const counts = { cancelled: 0, waiting: 0, streams: 0, calls: 0 };

function makeContainer(number: number): Container {
  const id = (number * 7919).toString(16).padStart(64, "0");
  const pairs = (prefix: string, count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, at) => [`${prefix}.${at}`, `value-${number}-${at}`]));
  return Container.fromPartial({
    id,
    podSandboxId: id,
    metadata: { name: `container-${number}`, attempt: 1 },
    image: { image: "example.test/pause:3.10" },
    imageRef: `example.test/pause@sha256:${id}`,
    state: 1,
    createdAt: 1_700_000_000_123_456_789n,
    labels: pairs("io.kubernetes.label", 6),
    annotations: pairs("io.kubernetes.container.annotation", 8),
    imageId: id,
  });
}

const encodedContainers: Uint8Array[] = [];
function encodedContainer(number: number): Uint8Array {
  return encodedContainers[number] ??= encodeField(CONTAINERS_FIELD, Container.encode(makeContainer(number)).finish());
}

function wait(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
}

const runtime = service(RuntimeServiceDefinition, {
  version: () => ({ version: "0.1.0", runtimeName: "test", runtimeVersion: "1.0", runtimeApiVersion: "v1" }),

  /** As many containers as the filter's id says. Encoded unless the sandbox filter says "plain". */
  listContainers: ({ filter }) => {
    const count = filter?.id ? Number(filter.id) : 100;
    const numbers = Array.from({ length: count }, (_, at) => at);
    if (filter?.podSandboxId === "plain") return { containers: numbers.map(makeContainer) };
    return new Encoded(numbers.map(encodedContainer));
  },

  /** cmd[0] bytes of output; stderr says how long the arguments were together. */
  execSync: ({ cmd }) => ({
    stdout: new Uint8Array(Number(cmd[0]) || 0).fill(120),
    stderr: new TextEncoder().encode(String(cmd.reduce((sum, argument) => sum + argument.length, 0))),
    exitCode: 0,
  }),

  startContainer: ({ containerId }) => {
    if (containerId === "throw") throw new Error("a plain error: grüße");
    if (containerId.startsWith("err:")) {
      throw new RpcError(Number(containerId.slice(4)) as Code, "no such contaïner % \n 容器");
    }
    return {};
  },

  /** Answers after `timeout` milliseconds. */
  stopContainer: async ({ timeout }, { signal }) => {
    counts.waiting++;
    try {
      await wait(Number(timeout), signal);
    } catch (error) {
      counts.cancelled++;
      throw error;
    } finally {
      counts.waiting--;
    }
    return {};
  },

  status: () => ({
    status: undefined,
    info: {
      ...Object.fromEntries(Object.entries(counts).map(([name, count]) => [name, String(count)])),
      rss: String(Deno.memoryUsage().rss),
    },
    runtimeHandlers: [],
    features: undefined,
  }),

  getContainerEvents: async function* (_request, { signal }) {
    counts.streams++;
    try {
      for (let number = 0; !signal.aborted; number++) {
        yield {
          containerId: String(number),
          containerEventType: 1,
          createdAt: BigInt(Date.now()) * 1_000_000n,
          podSandboxStatus: undefined,
          containersStatuses: [],
        };
        await wait(2, signal).catch(() => {});
      }
    } finally {
      counts.streams--;
    }
  },

  streamContainers: async function* () {
    for (let batch = 0; batch < 10; batch++) {
      yield { containers: Array.from({ length: 100 }, (_, at) => makeContainer(batch * 100 + at)) };
    }
  },
});

if (import.meta.main) {
  const server = new Server({
    services: [runtime, service(ImageServiceDefinition, {})],
    maxMessageBytes: 16 * MEBIBYTE,
    onCall: () => counts.calls++,
  });
  await server.listen(Deno.args[0]);
  console.log("ready");
  for await (const _ of Deno.stdin.readable) { /* until it ends */ }
  await server.stop(1000);
}
