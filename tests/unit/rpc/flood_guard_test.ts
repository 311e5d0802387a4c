import { assertEquals, assertThrows } from "@std/assert";
import { Budget, FloodGuard } from "../../../src/rpc/flood_guard.ts";
import { ConnectionError, ErrorCode } from "../../../src/rpc/frames.ts";
import { DEFAULT_LIMITS } from "../../../src/rpc/limits.ts";
import { ReceiveWindow } from "../../../src/rpc/receive_window.ts";

function takes(budget: Budget): number {
  let count = 0;
  while (budget.take()) count++;
  return count;
}

Deno.test("Budget.take() gives the burst, then what was earned, never more than the burst", () => {
  const budget = new Budget(5, 0);
  assertEquals(takes(budget), 5);
  budget.earn(2);
  assertEquals(takes(budget), 2);
  budget.earn(1000);
  assertEquals(takes(budget), 5);
});

Deno.test("Budget.take() gives tokens back with time", async () => {
  const budget = new Budget(3, 100);
  takes(budget);
  await new Promise((resolve) => setTimeout(resolve, 100));
  assertEquals(takes(budget) >= 3, true);
});

Deno.test("FloodGuard lets sent DATA pay for PING and WINDOW_UPDATE frames", () => {
  const guard = new FloodGuard({ ...DEFAULT_LIMITS, controlBurst: 2, controlPerSecond: 0, windowUpdateBurst: 2 });
  for (let frames = 0; frames < 100; frames++) {
    guard.sentData(16_384);
    guard.control();
    guard.windowUpdate();
  }
  guard.control();
  const error = assertThrows(() => {
    guard.control();
    guard.control();
  }, ConnectionError);
  assertEquals(error.code, ErrorCode.ENHANCE_YOUR_CALM);
});

Deno.test("ReceiveWindow credits in batches, and notices more than it allowed", () => {
  const window = new ReceiveWindow(100, 50);
  assertEquals([window.take(40), window.credit()], [true, 0]);
  assertEquals([window.take(20), window.credit()], [true, 60]);
  assertEquals(window.take(100), true);
  assertEquals(window.take(1), false);
});
