import { ConnectionError, ErrorCode } from "./frames.ts";
import type { Limits } from "./limits.ts";

/** Tokens that come back with time, and that useful work can earn. */
export class Budget {
  #tokens: number;
  #filledAt = performance.now();

  constructor(readonly burst: number, readonly perSecond: number) {
    this.#tokens = burst;
  }

  /** Whether there was a token left to take. */
  take(): boolean {
    if (this.#tokens < 1) {
      const now = performance.now();
      this.earn((now - this.#filledAt) / 1000 * this.perSecond);
      this.#filledAt = now;
    }
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }

  earn(tokens: number): void {
    this.#tokens = Math.min(this.burst, this.#tokens + tokens);
  }
}

/**
 * Frames that cost a peer nothing and us something are paid from budgets; a peer that has none left loses its connection
 * (RFC 9113, 10.5). Honest peers earn more than they spend: a PING or WINDOW_UPDATE answers DATA that we sent.
 */
export class FloodGuard {
  #control: Budget;
  #resets: Budget;
  #windowUpdates: Budget;

  constructor(limits: Limits) {
    this.#control = new Budget(limits.controlBurst, limits.controlPerSecond);
    this.#resets = new Budget(limits.resetBurst, limits.resetsPerSecond);
    this.#windowUpdates = new Budget(limits.windowUpdateBurst, 0);
  }

  /** PING, SETTINGS, PRIORITY, empty DATA, unknown frames, and whatever makes us answer with RST_STREAM. */
  control(): void {
    if (!this.#control.take()) throw calm("too many frames that do nothing");
  }

  /** A call that was begun and reset: the work was for nothing (CVE-2023-44487). */
  reset(): void {
    if (!this.#resets.take()) throw calm("too many streams are reset");
  }

  windowUpdate(): void {
    if (!this.#windowUpdates.take()) throw calm("too many WINDOW_UPDATE frames");
  }

  acceptedStream(): void {
    this.#control.earn(1);
  }

  sentData(bytes: number): void {
    this.#control.earn(1);
    this.#windowUpdates.earn(bytes / 1024);
  }
}

function calm(message: string): ConnectionError {
  return new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, message);
}
