import { assertEquals } from "@std/assert";
import { ByteQueue, QueueBudget } from "../../../src/streaming/queue.ts";
import { type TerminalSize, terminalSizes } from "../../../src/streaming/terminal_size.ts";
import { bytes } from "./memory_transport.ts";

async function sizesOf(...pieces: string[]): Promise<TerminalSize[]> {
  const queue = new ByteQueue(new QueueBudget());
  for (const piece of pieces) queue.push(bytes(piece));
  queue.end();
  return await Array.fromAsync(terminalSizes(queue));
}

Deno.test("terminalSizes() reads sizes that come in any pieces", async () => {
  const expected = [{ rows: 24, columns: 80 }, { rows: 50, columns: 132 }];
  const whole = '{"Width":80,"Height":24}\n{"Width":132,"Height":50}\n';
  assertEquals(await sizesOf(whole), expected);
  assertEquals(await sizesOf(...whole), expected);
});

Deno.test("terminalSizes() ends at anything else", async () => {
  assertEquals(await sizesOf('{"Width":80,"Height":24}', "{}", '{"Width":1,"Height":1}'), [{ rows: 24, columns: 80 }]);
  assertEquals(await sizesOf('{"Width":-1,"Height":24}'), []);
  assertEquals(await sizesOf('{"Width":70000,"Height":24}'), []);
  assertEquals(await sizesOf('{"Width":"80","Height":24}'), []);
  assertEquals(await sizesOf("x".repeat(5000), '}{"Width":1,"Height":1}'), []);
});
