import type { Logger } from "../observe/mod.ts";

/** Milliseconds. A service that does not say that it is ready is ended by systemd, so a busy or emulated machine gets its time. */
const LONGEST = { "READY=1": 60_000, "STOPPING=1": 5_000 };

/** systemd-notify(1), whose socket (often an abstract one) Deno's own API cannot reach. */
const SYSTEMD_NOTIFY = ["/usr/bin/systemd-notify", "/bin/systemd-notify"];

/** Tells systemd the daemon's state, as sd_notify(3) describes; nothing where no NOTIFY_SOCKET is set. Never fails the daemon. */
export async function notifyServiceManager(state: keyof typeof LONGEST, logger: Logger): Promise<void> {
  const socket = Deno.env.get("NOTIFY_SOCKET");
  if (socket === undefined || socket === "") return;
  const { kernel, programs } = await import("../sys/mod.ts");
  const program = SYSTEMD_NOTIFY.find((path) => kernel.exists(path));
  if (program === undefined) {
    logger.warn("NOTIFY_SOCKET is set, but there is no systemd-notify to answer with", { looked: SYSTEMD_NOTIFY });
    return;
  }
  try {
    const args = [`--pid=${Deno.pid}`, state];
    const { code, stderr } = await programs.run(program, args, {
      env: { NOTIFY_SOCKET: socket },
      timeout: LONGEST[state],
    });
    if (code !== 0) {
      logger.warn("systemd-notify failed", { code, stderr: new TextDecoder().decode(stderr).slice(0, 500) });
    }
  } catch (error) {
    logger.warn("systemd-notify failed", { error });
  }
}
