import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { ImageServiceDefinition, RuntimeServiceDefinition } from "../../proto/gen/runtime/v1/api.ts";
import { type CallOptions, type Client, connect } from "../../src/rpc/client.ts";
import { Code, RpcError, type ServiceDefinition } from "../../src/rpc/mod.ts";
import { startServer } from "./rig.ts";

type Runtime = Client<typeof RuntimeServiceDefinition>;
type AnyMethod = (request: unknown, options?: CallOptions) => Promise<unknown> | AsyncIterable<unknown>;

const MEBIBYTE = 1024 * 1024;
const IMPLEMENTED = new Set([
  "Version",
  "ListContainers",
  "ExecSync",
  "StartContainer",
  "StopContainer",
  "Status",
  "GetContainerEvents",
  "StreamContainers",
]);

/** grpc-js keeps timers and sockets of its own until the process ends. */
function grpcTest(name: string, body: (client: Runtime, socket: string) => Promise<void>): void {
  Deno.test({
    name: `grpc-js: ${name}`,
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async () => {
      await using server = await startServer();
      using client = connect(server.socket, RuntimeServiceDefinition);
      await body(client, server.socket);
    },
  });
}

async function counts(client: Runtime): Promise<Record<string, number>> {
  const { info } = await client.status({});
  return Object.fromEntries(Object.entries(info).map(([name, count]) => [name, Number(count)]));
}

async function until(client: Runtime, done: (counts: Record<string, number>) => boolean): Promise<void> {
  let last = {};
  for (let tries = 0; tries < 150; tries++) {
    last = await counts(client);
    if (done(last as Record<string, number>)) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert(false, `the server counts ${JSON.stringify(last)}`);
}

async function first(answer: Promise<unknown> | AsyncIterable<unknown>): Promise<unknown> {
  if (answer instanceof Promise) return await answer;
  for await (const value of answer) return value;
}

grpcTest("all 43 methods reach the server by name", async (runtime, socket) => {
  using image = connect(socket, ImageServiceDefinition);
  let count = 0;
  for (const [definition, client] of [[RuntimeServiceDefinition, runtime], [ImageServiceDefinition, image]] as const) {
    for (const [key, { name }] of Object.entries((definition as ServiceDefinition).methods)) {
      count++;
      const call = (client as unknown as Record<string, AnyMethod>)[key];
      if (IMPLEMENTED.has(name)) {
        await first(call({}));
        continue;
      }
      const error = await assertRejects(() => first(call({})), RpcError);
      assertEquals(error.code, Code.UNIMPLEMENTED);
      assertEquals(error.message, `${definition.fullName}/${name} is not implemented`);
    }
  }
  assertEquals(count, 43);
});

grpcTest("codes 1 to 16 come with UTF-8 messages", async (client) => {
  for (let code = 1; code <= 16; code++) {
    const error = await assertRejects(() => client.startContainer({ containerId: `err:${code}` }), RpcError);
    assertEquals(error.code, code);
    assertEquals(error.message, "no such contaïner % \n 容器");
  }
  const error = await assertRejects(() => client.startContainer({ containerId: "throw" }), RpcError);
  assertEquals([error.code, error.message], [Code.UNKNOWN, "a plain error: grüße"]);
});

grpcTest("large messages pass both ways up to the limit", async (client) => {
  for (const size of [1, 5, 15]) {
    const { stdout } = await client.execSync({ cmd: [String(size * MEBIBYTE)] });
    assertEquals(stdout.length, size * MEBIBYTE);
    const { stderr } = await client.execSync({ cmd: ["1", "y".repeat(size * MEBIBYTE)] });
    assertEquals(new TextDecoder().decode(stderr), String(size * MEBIBYTE + 1));
  }
  for (const cmd of [[String(17 * MEBIBYTE)], ["1", "y".repeat(17 * MEBIBYTE)]]) {
    const error = await assertRejects(() => client.execSync({ cmd }), RpcError);
    assertEquals(error.code, Code.RESOURCE_EXHAUSTED);
    assertStringIncludes(error.message, "limit of 16777216");
  }
  assertEquals((await client.version({})).runtimeName, "test");
});

grpcTest("lists come whole, encoded by the handler or by the server", async (client) => {
  for (const podSandboxId of ["", "plain"]) {
    const { containers } = await client.listContainers({ filter: { id: "2000", podSandboxId } });
    assertEquals(containers.length, 2000);
    assertEquals(containers[1999].metadata?.name, "container-1999");
  }
});

grpcTest("a deadline ends the call and its handler", async (client) => {
  const error = await assertRejects(() => client.stopContainer({ timeout: 20_000n }, { timeout: 100 }), RpcError);
  assertEquals(error.code, Code.DEADLINE_EXCEEDED);
  await until(client, ({ waiting, cancelled }) => waiting === 0 && cancelled === 1);
});

grpcTest("a cancelled unary call ends its handler", async (client) => {
  const cancel = new AbortController();
  const call = client.stopContainer({ timeout: 20_000n }, { signal: cancel.signal });
  const rejected = assertRejects(() => call, RpcError);
  await until(client, ({ waiting }) => waiting === 1);
  cancel.abort();
  assertEquals((await rejected).code, Code.CANCELLED);
  await until(client, ({ waiting, cancelled }) => waiting === 0 && cancelled === 1);
});

grpcTest("a disconnect ends the handlers", async (client, socket) => {
  const other = connect(socket, RuntimeServiceDefinition);
  const stream = other.getContainerEvents({})[Symbol.asyncIterator]();
  assertEquals((await stream.next()).value.containerId, "0");
  await stream.return!();
  other[Symbol.dispose]();
  await until(client, ({ streams }) => streams === 0);
});

grpcTest("event streams run side by side, and end when the reader leaves", async (client) => {
  await Promise.all(Array.from({ length: 50 }, async () => {
    let count = 0;
    for await (const event of client.getContainerEvents({})) {
      assertEquals(event.containerId, String(count));
      if (++count === 10) break;
    }
    assertEquals(count, 10);
  }));
  await until(client, ({ streams }) => streams === 0);
});

grpcTest("a batch stream ends by itself", async (client) => {
  let count = 0;
  for await (const { containers } of client.streamContainers({})) count += containers.length;
  assertEquals(count, 1000);
});

grpcTest("300 parallel calls on one connection", async (client) => {
  const answers = await Promise.all(Array.from({ length: 300 }, () => client.stopContainer({ timeout: 50n })));
  assertEquals(answers.length, 300);
});

Deno.test({
  name: "grpc-js: connect() says what is wrong with the socket, and where",
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    const folder = await Deno.makeTempDir({ prefix: "skiff-rpc-" });
    try {
      using missing = connect(`${folder}/none.sock`, RuntimeServiceDefinition);
      const noSocket = await assertRejects(
        () => missing.version({}),
        RpcError,
        `${folder}/none.sock: there is no such`,
      );
      assertEquals(noSocket.code, Code.UNAVAILABLE);

      // Deno removes the file that it listened on, so the stale one needs a name of its own.
      const listener = Deno.listen({ transport: "unix", path: `${folder}/listener.sock` });
      await Deno.link(`${folder}/listener.sock`, `${folder}/stale.sock`);
      listener.close();
      using stale = connect(`${folder}/stale.sock`, RuntimeServiceDefinition);
      const refused = await assertRejects(() => stale.version({}), RpcError, `${folder}/stale.sock: nobody listens`);
      assertEquals(refused.code, Code.UNAVAILABLE);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
