/** HTTP/2 frames, header blocks, and gRPC messages with CRI requests in them. */
import { Flag, FrameReader, FrameType, PREFACE, readUint32, settingsPayload, uint32 } from "../../src/rpc/frames.ts";
import { messagePrefix } from "../../src/rpc/message_reader.ts";
import { Server, service } from "../../src/rpc/mod.ts";
import { RunPodSandboxRequest, RuntimeServiceDefinition } from "../../proto/gen/runtime/v1/api.ts";
import { concat } from "../support/bytes.ts";
import { frame, requestBlock } from "../unit/rpc/raw_client.ts";
import type { Target } from "./target.ts";

const INTERNAL_ERROR = 2;

/** The server says that it has failed itself, by GOAWAY or in its log. */
class ServerFault extends Error {}

function seeds(): Uint8Array[] {
  const request = RunPodSandboxRequest.encode(RunPodSandboxRequest.fromPartial({
    config: {
      metadata: { name: "pod", uid: "u", namespace: "n", attempt: 1 },
      labels: { a: "b" },
      dnsConfig: { servers: ["10.0.0.1"] },
      linux: { sysctls: { "net.ipv4.ip_forward": "1" }, resources: { cpuShares: 2n } },
    },
  })).finish();
  const start = concat(PREFACE, frame(FrameType.SETTINGS, 0, 0, settingsPayload([[1, 4096], [4, 65_535]])));
  const run = requestBlock("/runtime.v1.RuntimeService/RunPodSandbox", [["grpc-timeout", "1S"]]);
  const body = concat(messagePrefix(request.length), request);
  const call = (id: number) =>
    concat(frame(FrameType.HEADERS, Flag.END_HEADERS, id, run), frame(FrameType.DATA, Flag.END_STREAM, id, body));
  return [
    concat(start, call(1), call(3)),
    concat(
      start,
      frame(FrameType.HEADERS, 0, 1, run.subarray(0, 20)),
      frame(FrameType.CONTINUATION, Flag.END_HEADERS, 1, run.subarray(20)),
      frame(FrameType.DATA, 0, 1, body.subarray(0, 7)),
      frame(FrameType.DATA, Flag.END_STREAM, 1, body.subarray(7)),
    ),
    concat(
      start,
      frame(FrameType.SETTINGS, Flag.ACK, 0),
      frame(FrameType.PING, 0, 0, new Uint8Array(8)),
      frame(FrameType.WINDOW_UPDATE, 0, 0, uint32(1000)),
      frame(FrameType.PRIORITY, 0, 1, new Uint8Array(5)),
      call(5),
      frame(FrameType.RST_STREAM, 0, 5, uint32(8)),
      frame(FrameType.GOAWAY, 0, 0, uint32(0, 0)),
    ),
    concat(
      start,
      frame(
        FrameType.HEADERS,
        Flag.END_HEADERS | Flag.PADDED,
        1,
        concat(Uint8Array.of(3), requestBlock("/x/y"), new Uint8Array(3)),
      ),
      frame(FrameType.DATA, Flag.END_STREAM | Flag.PADDED, 1, concat(Uint8Array.of(2), body, new Uint8Array(2))),
      frame(FrameType.PUSH_PROMISE, 0, 1, new Uint8Array(4)),
      frame(77, 255, 9, new Uint8Array(4)),
    ),
  ];
}

class HttpTarget {
  #server: Promise<{ server: Server; socket: string; faults: string[] }> | undefined;

  async read(input: Uint8Array): Promise<void> {
    const { socket, faults } = await (this.#server ??= this.#start());
    using conn = await Deno.connect({ transport: "unix", path: socket });
    const answer = this.#answer(conn);
    try {
      for (let at = 0; at < input.length;) at += await conn.write(input.subarray(at));
      await conn.closeWrite();
    } catch {
      // The server has closed it before all was said.
    }
    const code = await answer;
    if (code === INTERNAL_ERROR) throw new ServerFault("the server closed the connection with INTERNAL_ERROR");
    const fault = faults.pop();
    if (fault !== undefined) throw new ServerFault(fault);
  }

  async close(): Promise<void> {
    const started = await this.#server;
    await started?.server.stop();
    if (started) await Deno.remove(started.socket.slice(0, started.socket.lastIndexOf("/")), { recursive: true });
  }

  async #start() {
    const folder = await Deno.makeTempDir({ prefix: "skiff-fuzz-" });
    const socket = `${folder}/http.sock`;
    const faults: string[] = [];
    const handlers = { runPodSandbox: () => ({ podSandboxId: "x".repeat(64) }) };
    const server = new Server({
      services: [service(RuntimeServiceDefinition, handlers as never)],
      maxMessageBytes: 1 << 20,
      logger: { warn: () => {}, error: (message, fields) => faults.push(`${message} ${fields?.error ?? ""}`) },
    });
    await server.listen(socket);
    return { server, socket, faults };
  }

  /** The code of the server's GOAWAY, once it has closed the connection. */
  async #answer(conn: Deno.Conn): Promise<number | undefined> {
    const reader = new FrameReader();
    const source = { read: (into: Uint8Array) => conn.read(into).catch(() => null) };
    let code: number | undefined;
    while (await reader.fill(source)) {
      while (reader.next()) if (reader.type === FrameType.GOAWAY) code = readUint32(reader.payload, 4);
    }
    return code;
  }
}

const target = new HttpTarget();
export const httpTarget: Target = {
  name: "http",
  corpus: seeds(),
  dictionary: ["/runtime.v1.RuntimeService/Version", "grpc-timeout", "grpc-encoding", ":path", "\x00\x00\x00\x00\x00"],
  inputs: 50_000,
  // Half of the inputs keep the preface, without which nothing is read.
  mend: (input, even) => {
    if (even) input.set(PREFACE.subarray(0, input.length));
  },
  read: (input) => target.read(input),
  isDocumented: () => false,
  close: () => target.close(),
};
