import { O_CLOEXEC, O_NONBLOCK } from "./constants.ts";
import { EINTR, ENOENT, failure, isErrno } from "./errno.ts";
import { addressable, addressOf, errno, libc, SYS } from "./libc_symbols.ts";
import { rawSyscall } from "./off_thread.ts";

const EPOLLIN = 1;
const EPOLLOUT = 4;
const EPOLLERR = 8;
const EPOLLHUP = 16;
const EPOLLONESHOT = 1 << 30;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLL_CTL_MOD = 3;

// struct epoll_event is packed on x86_64 and only there.
const EVENT_SIZE = Deno.build.arch === "x86_64" ? 12 : 16;
const DATA_OFFSET = Deno.build.arch === "x86_64" ? 4 : 8;
const BATCH = 128;

interface Watch {
  readable?: () => void;
  writable?: () => void;
  /** Known to epoll: the next interest is a change, not an addition. */
  added: boolean;
}

/**
 * One epoll instance for every descriptor that is ours and not Deno's. One call that waits is out on a pool thread, and
 * only while somebody waits for something, so an idle process has no thread of ours and can end by itself.
 */
class Poller {
  #epoll = -1;
  #wakeUp = -1;
  #running = false;
  #loopEnd: Promise<void> = Promise.resolve();
  readonly #watches = new Map<number, Watch>();
  readonly #events = addressable(EVENT_SIZE * BATCH);
  readonly #change = new Uint8Array(16);
  #waiters = 0;

  /** Resolves when `fd` can be read, has ended or failed, or was forgotten. One waiter per descriptor and direction. */
  readable(fd: number): Promise<void> {
    return this.#wait(fd, "readable");
  }

  writable(fd: number): Promise<void> {
    return this.#wait(fd, "writable");
  }

  /** Wakes who waits for `fd`. To be called before `fd` is closed. */
  forget(fd: number): void {
    const watch = this.#watches.get(fd);
    if (watch === undefined) return;
    this.#watches.delete(fd);
    libc().epoll_ctl(this.#epoll, EPOLL_CTL_DEL, fd, null);
    this.#settle(watch, true, true);
    if (this.#waiters === 0 && this.#running) this.#interrupt();
  }

  /** Resolves when no wait is out. A process that merely ends need not ask; a test must not leave one behind. */
  async idle(): Promise<void> {
    while (this.#running) await this.#loopEnd;
  }

  #wait(fd: number, direction: "readable" | "writable"): Promise<void> {
    if (this.#epoll < 0) this.#open();
    let watch = this.#watches.get(fd);
    if (watch === undefined) this.#watches.set(fd, watch = { added: false });
    if (watch[direction]) {
      throw new Error(`Cannot wait for descriptor ${fd}: somebody waits for it to be ${direction} already`);
    }
    const promise = new Promise<void>((resolve) => watch[direction] = resolve);
    this.#waiters++;
    try {
      this.#arm(fd, watch);
    } catch (error) {
      watch[direction] = undefined;
      this.#waiters--;
      if (!watch.added) this.#watches.delete(fd);
      throw error;
    }
    if (!this.#running) this.#loopEnd = this.#loop();
    return promise;
  }

  #arm(fd: number, watch: Watch): void {
    const interest = (watch.readable ? EPOLLIN : 0) | (watch.writable ? EPOLLOUT : 0) | EPOLLONESHOT;
    try {
      this.#control(watch.added ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, interest);
    } catch (error) {
      // The descriptor was closed without a word and its number came back: epoll has forgotten it by itself.
      if (!watch.added || !isErrno(error, ENOENT)) throw error;
      this.#control(EPOLL_CTL_ADD, fd, interest);
    }
    watch.added = true;
  }

  #control(operation: number, fd: number, interest: number): void {
    const view = new DataView(this.#change.buffer);
    view.setUint32(0, interest, true);
    view.setInt32(DATA_OFFSET, fd, true);
    if (libc().epoll_ctl(this.#epoll, operation, fd, this.#change) < 0) {
      throw failure(errno(), "epoll_ctl", `descriptor ${fd}`);
    }
  }

  #settle(watch: Watch, readable: boolean, writable: boolean): void {
    const { readable: onReadable, writable: onWritable } = watch;
    if (readable && onReadable) {
      watch.readable = undefined;
      this.#waiters--;
      onReadable();
    }
    if (writable && onWritable) {
      watch.writable = undefined;
      this.#waiters--;
      onWritable();
    }
  }

  async #loop(): Promise<void> {
    this.#running = true;
    try {
      while (this.#waiters > 0) {
        const args = [this.#epoll, addressOf(this.#events), BATCH, -1, 0, 8];
        const count = await rawSyscall(SYS.epoll_pwait, args, [this.#events]);
        if (count < 0 && count !== -EINTR) throw failure(-count, "epoll_pwait", "the poller");
        for (let i = 0; i < count; i++) this.#dispatch(i * EVENT_SIZE);
      }
    } finally {
      this.#running = false;
    }
  }

  #dispatch(offset: number): void {
    const view = new DataView(this.#events.buffer, offset);
    const events = view.getUint32(0, true);
    const fd = view.getInt32(DATA_OFFSET, true);
    if (fd === this.#wakeUp) {
      libc().read(fd, new Uint8Array(8), 8n);
      return;
    }
    // A descriptor that was closed and whose number came back gets a needless wake-up: everybody asks again on EAGAIN.
    const watch = this.#watches.get(fd);
    if (watch === undefined) return;
    const ended = (events & (EPOLLERR | EPOLLHUP)) !== 0;
    this.#settle(watch, ended || (events & EPOLLIN) !== 0, ended || (events & EPOLLOUT) !== 0);
    if (watch.readable || watch.writable) this.#arm(fd, watch);
  }

  #open(): void {
    this.#epoll = libc().epoll_create1(O_CLOEXEC);
    if (this.#epoll < 0) throw failure(errno(), "epoll_create1", "the poller");
    this.#wakeUp = libc().eventfd(0, O_CLOEXEC | O_NONBLOCK);
    if (this.#wakeUp < 0) throw failure(errno(), "eventfd", "the poller");
    this.#control(EPOLL_CTL_ADD, this.#wakeUp, EPOLLIN);
  }

  /** Ends the wait that is out, so that the process need not stay for it. */
  #interrupt(): void {
    libc().write(this.#wakeUp, new Uint8Array(new BigUint64Array([1n]).buffer), 8n);
  }
}

/** The one poller of this process. */
export const poller = new Poller();
