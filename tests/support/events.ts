/**
 * GetContainerEvents as a test follows it, on a connection of its own. By frames: with Deno's node:http2 a call that is
 * cancelled while it waits fails outside of the call, and with it the test run.
 */
import { ContainerEventResponse, ContainerEventType } from "../../proto/gen/runtime/v1/api.ts";
import { RawClient } from "../unit/rpc/raw_client.ts";
import { waitUntil } from "./command.ts";

const WORDS: Record<number, string> = {
  [ContainerEventType.CONTAINER_CREATED_EVENT]: "created",
  [ContainerEventType.CONTAINER_STARTED_EVENT]: "started",
  [ContainerEventType.CONTAINER_STOPPED_EVENT]: "stopped",
  [ContainerEventType.CONTAINER_DELETED_EVENT]: "deleted",
};
/** Before each message: a flag and its length. */
const PREFIX = 5;

export class EventFollower implements Disposable {
  readonly #client: RawClient;
  readonly #stream: number;
  readonly #events: ContainerEventResponse[] = [];
  #parsed = 0;

  private constructor(client: RawClient, stream: number) {
    this.#client = client;
    this.#stream = stream;
  }

  /** With `reads: false` it is a client that asks and never reads. */
  static async connect(socket: string, { reads = true } = {}): Promise<EventFollower> {
    const client = await RawClient.connect(socket, { reads });
    return new EventFollower(client, await client.start("/runtime.v1.RuntimeService/GetContainerEvents"));
  }

  /** What it was told so far. */
  get events(): ContainerEventResponse[] {
    const body = this.#client.sofar(this.#stream)?.body ?? new Uint8Array();
    const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
    while (body.length >= this.#parsed + PREFIX) {
      const end = this.#parsed + PREFIX + view.getUint32(this.#parsed + 1);
      if (body.length < end) break;
      this.#events.push(ContainerEventResponse.decode(body.subarray(this.#parsed + PREFIX, end)));
      this.#parsed = end;
    }
    return this.#events;
  }

  /** What it was told of one container or pod so far. */
  of(id: string): string[] {
    return this.events.filter(({ containerId }) => containerId === id).map((event) => WORDS[event.containerEventType]);
  }

  /** Waits until it was told `word` of it. */
  until(id: string, word: string, timeout?: number): Promise<boolean> {
    return waitUntil(`${id.slice(0, 12)} is told to be ${word}`, () => this.of(id).includes(word), timeout);
  }

  [Symbol.dispose](): void {
    this.#client[Symbol.dispose]();
  }
}
