import { NO_TRAILERS, trailersOnly, UNSUPPORTED_MEDIA_TYPE } from "./responses.ts";
import type { Code } from "./status.ts";
import type { Stream, StreamConsumer } from "./stream.ts";

const NOT_GRPC = new TextEncoder().encode("This socket speaks gRPC: POST with content-type application/grpc.\n");

/** A gRPC call that no handler takes: it is answered before its body comes. */
export class Refusal implements StreamConsumer {
  constructor(stream: Stream, code: Code, message: string, extra: [string, string][] = []) {
    stream.end(trailersOnly(code, message, extra));
  }
  data(): void {}
  end(): void {}
  aborted(): void {}
}

/** A request that is not gRPC: HTTP status 415, as gRPC over HTTP/2 asks, and a sentence for whoever tried. */
export class NotGrpc implements StreamConsumer {
  constructor(readonly stream: Stream) {}
  data(): void {}
  end(): void {
    this.stream.sendHead(UNSUPPORTED_MEDIA_TYPE);
    this.stream.send([NOT_GRPC]);
    this.stream.end(NO_TRAILERS);
  }
  aborted(): void {}
}
