import { assertEquals, assertThrows } from "@std/assert";
import { asyncFd, connectSeqpacket, Errno, kernel, shutdownWrite } from "../real_kernel.ts";

/** A listening socket that sends two packets, then answers each packet with its length until the end of input. */
const SERVER = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.bind(sys.argv[1]); s.listen(1); print("ready", flush=True)
c, _ = s.accept()
c.send(b"\\x02one"); c.send(b"\\x03two")
while True:
    b = c.recv(65536)
    if not b: break
    c.send(str(len(b)).encode())
c.send(b"end"); c.close()
`;

Deno.test({
  name: "connectSeqpacket() keeps packets apart, also where the path is too long for an address",
  // The poller's one wait outlives the test that has started it.
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    for (const depth of [0, 12]) {
      const root = Deno.makeTempDirSync({ prefix: "skiff-seqpacket-" });
      const folder = `${root}${"/a-folder-name".repeat(depth)}`;
      Deno.mkdirSync(folder, { recursive: true });
      // Bound by a relative name: its own address is as short as it likes.
      const args = ["-c", SERVER, "attach"];
      const server = new Deno.Command("python3", { args, cwd: folder, stdout: "piped" }).spawn();
      const reader = server.stdout.getReader();
      await reader.read();
      const socket = asyncFd(connectSeqpacket(`${folder}/attach`));
      const buffer = new Uint8Array(100);
      const next = async () => new TextDecoder().decode(buffer.subarray(0, await socket.read(buffer) ?? 0));
      assertEquals([await next(), await next()], ["\u0002one", "\u0003two"]);
      await socket.write(new Uint8Array(32 << 10));
      assertEquals(await next(), "32768");
      shutdownWrite(socket.fd);
      assertEquals([await next(), await socket.read(buffer)], ["end", null]);
      socket.close();
      await reader.cancel();
      await server.status;
      await kernel.removeTree(root);
    }
  },
});

Deno.test("connectSeqpacket() names a socket that is not there", () => {
  assertThrows(
    () => connectSeqpacket("/run/no-such-folder/attach"),
    Errno,
    "connect /run/no-such-folder/attach: no such",
  );
});
