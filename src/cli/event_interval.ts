import { replaceProcess } from "../sys/replace_process.ts";

const VARIABLE = "DENO_TOKIO_EVENT_INTERVAL";

/**
 * While it has other work, Deno's event loop looks at sockets only after every 61st task: ten pods that start at once kept
 * Version waiting for 30 ms and more. With this variable it looks each time. It is read before any code of ours runs, so
 * where whoever starts the daemon has not set it, this process takes its own place with it set.
 */
export function lookAtSocketsOften(): void {
  if (!Deno.build.standalone || Deno.env.has(VARIABLE)) return;
  replaceProcess(VARIABLE, "1");
}
