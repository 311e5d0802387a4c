import { assertEquals } from "@std/assert";
import { asyncFd, kernel, O_NOCTTY, O_RDWR, openPty, setRawPty } from "../real_kernel.ts";

Deno.test({
  name: "setRawPty() has bytes pass unchanged and without echo",
  // The poller's one wait outlives the test that has started it.
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    const { master, tty } = openPty();
    setRawPty(master);
    const end = asyncFd(master);
    const peer = kernel.open(tty, O_RDWR | O_NOCTTY);
    const buffer = new Uint8Array(32);
    await end.write(Uint8Array.of(3, 4, 13, 10, 65));
    assertEquals([...buffer.subarray(0, kernel.read(peer, buffer))], [3, 4, 13, 10, 65]);
    kernel.write(peer, Uint8Array.of(10, 13, 66));
    assertEquals([...buffer.subarray(0, await end.read(buffer) ?? 0)], [10, 13, 66]);
    kernel.close(peer);
    end.close();
  },
});
