import { assertEquals, assertRejects } from "@std/assert";
import { connectLoopback, Errno, shutdownWrite } from "../real_kernel.ts";

Deno.test({
  name: "connectLoopback() reaches 127.0.0.1 and ::1, both ways, with half-close",
  // The poller's one wait outlives the test that has started it.
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    for (const [family, hostname] of [["ipv4", "127.0.0.1"], ["ipv6", "::1"]] as const) {
      using listener = Deno.listen({ hostname, port: 0 });
      const echo = (async () => {
        using connection = await listener.accept();
        await connection.readable.pipeTo(connection.writable);
      })();
      const socket = await connectLoopback({ family, port: listener.addr.port }, { timeout: 1000 });
      await socket.write(new TextEncoder().encode("hello"));
      shutdownWrite(socket.fd);
      const buffer = new Uint8Array(10);
      assertEquals(new TextDecoder().decode(buffer.subarray(0, await socket.read(buffer) ?? 0)), "hello");
      assertEquals(await socket.read(buffer), null);
      socket.close();
      await echo.catch(() => {});
    }
  },
});

Deno.test({
  name: "connectLoopback() names a closed port and leaves no descriptor",
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr;
    listener.close();
    const count = () => [...Deno.readDirSync("/proc/self/fd")].length;
    const fail = () => connectLoopback({ family: "ipv4", port }, { timeout: 1000 });
    await assertRejects(fail, Errno, `127.0.0.1:${port}: connection refused`);
    const before = count();
    for (let i = 0; i < 50; i++) await assertRejects(fail, Errno);
    assertEquals(count(), before);
  },
});
