import { assertEquals, assertRejects } from "@std/assert";
import { asyncFd, EPIPE, Errno, kernel, pipe, poller, programs } from "../real_kernel.ts";

Deno.test("read() waits for data, and close() ends a read that waits", async () => {
  const { read, write } = pipe();
  const source = asyncFd(read);
  const buffer = new Uint8Array(16);
  const first = source.read(buffer);
  kernel.write(write, new TextEncoder().encode("abc"));
  assertEquals(await first, 3);
  const second = source.read(buffer);
  source.close();
  assertEquals(await second, null);
  assertEquals(await source.read(buffer), null);
  kernel.close(write);
  await poller.idle();
});

Deno.test("read() is null when the other end is closed", async () => {
  const { read, write } = pipe();
  const source = asyncFd(read);
  const waiting = source.read(new Uint8Array(16));
  kernel.close(write);
  assertEquals(await waiting, null);
  source.close();
});

Deno.test("write() waits until there is room and fails when nobody reads any more", async () => {
  const { read, write } = pipe();
  const sink = asyncFd(write);
  let done = false;
  const writing = sink.write(new Uint8Array(200_000).fill(7)).then(() => done = true);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assertEquals(done, false);
  const source = asyncFd(read);
  const buffer = new Uint8Array(65536);
  let total = 0;
  while (total < 200_000) total += (await source.read(buffer))!;
  await writing;
  assertEquals(total, 200_000);
  source.close();
  assertEquals((await assertRejects(() => sink.write(new Uint8Array(1)), Errno) as unknown as Errno).code, EPIPE);
  sink.close();
  await assertRejects(() => sink.write(new Uint8Array(1)), Errno, "closed");
});

Deno.test("a descriptor closed behind the poller's back does not spoil the next one with its number", async () => {
  const buffer = new Uint8Array(1);
  /** True when the new pipe got the old one's number, which another test file may have taken. */
  const round = async () => {
    const first = pipe();
    const pending = asyncFd(first.read).read(buffer);
    kernel.write(first.write, new Uint8Array(1));
    await pending;
    kernel.close(first.read);
    kernel.close(first.write);

    const second = pipe();
    const next = asyncFd(second.read);
    const waiting = next.read(buffer);
    kernel.write(second.write, new Uint8Array(1));
    assertEquals(await waiting, 1);
    next.close();
    kernel.close(second.write);
    return second.read === first.read;
  };
  let reused = false;
  for (let i = 0; i < 50 && !reused; i++) reused = await round();
  assertEquals(reused, true);
  await poller.idle();
});

Deno.test("hundreds of pipes share the poller", async () => {
  const pipes = Array.from({ length: 300 }, pipe);
  const sources = pipes.map(({ read }) => asyncFd(read));
  const reads = sources.map(async (source) => {
    const buffer = new Uint8Array(4);
    await source.read(buffer);
    return new DataView(buffer.buffer).getInt32(0);
  });
  for (const [index, { write }] of [...pipes.entries()].reverse()) {
    const buffer = new Uint8Array(4);
    new DataView(buffer.buffer).setInt32(0, index);
    kernel.write(write, buffer);
  }
  assertEquals(await Promise.all(reads), pipes.map((_, index) => index));
  for (const source of sources) source.close();
  for (const { write } of pipes) kernel.close(write);
});

Deno.test("a process that waits for nothing any more ends by itself", async () => {
  const script = `
    import { asyncFd, pipe, programs } from "${new URL("../../../src/sys/mod.ts", import.meta.url)}";
    await programs.run("/bin/true", []);
    const source = asyncFd(pipe().read);
    setTimeout(() => source.close(), 50);
    console.log(await source.read(new Uint8Array(1)));`;
  const cache = Deno.makeTempDirSync();
  const { code, stdout, timedOut } = await programs.run(Deno.execPath(), [
    "run",
    "-A",
    "--no-check",
    "--no-config",
    `data:text/javascript,${encodeURIComponent(script)}`,
  ], {
    timeout: 20_000,
    env: { HOME: "/tmp", DENO_DIR: cache },
  });
  assertEquals([timedOut, code, new TextDecoder().decode(stdout)], [false, 0, "null\n"]);
  Deno.removeSync(cache, { recursive: true });
});
