import type { PrometheusMetrics } from "./metrics.ts";
import type { Logger } from "./types.ts";

export interface MetricsServer extends AsyncDisposable {
  /** Port that was bound: another than asked for where 0 was. */
  port: number;
}

/** Serves GET /metrics, and nothing else, at `host:port` (`[v6]:port`, `:port` for all addresses). Throws where the address is invalid or taken. */
export function serveMetrics(listen: string, metrics: PrometheusMetrics, logger: Logger): MetricsServer {
  const { hostname, port } = parseListen(listen);
  let server: Deno.HttpServer<Deno.NetAddr>;
  try {
    server = Deno.serve({
      hostname,
      port,
      onListen: ({ port }) => logger.info("metrics are served", { listen: `${hostname}:${port}` }),
      onError(error) {
        logger.error("metrics could not be collected", { error });
        return new Response("metrics could not be collected; see the log\n", { status: 500 });
      },
    }, (request) => answer(request, metrics));
  } catch (error) {
    throw new Error(`Cannot serve metrics at ${listen} (metricsListen)`, { cause: error });
  }
  return {
    port: server.addr.port,
    async [Symbol.asyncDispose]() {
      await server.shutdown();
    },
  };
}

/** Splits `host:port`. */
export function parseListen(listen: string): { hostname: string; port: number } {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]/\s]*)):([0-9]{1,5})$/.exec(listen);
  const port = Number(match?.[3]);
  if (match === null || port > 65535) {
    throw new Error(
      `Cannot serve metrics at ${JSON.stringify(listen)} (metricsListen): it must be host:port, such as 127.0.0.1:9090`,
    );
  }
  return { hostname: match[1] ?? (match[2] || "0.0.0.0"), port };
}

async function answer(request: Request, metrics: PrometheusMetrics): Promise<Response> {
  if (new URL(request.url).pathname !== "/metrics") return new Response("only /metrics is here\n", { status: 404 });
  if (request.method !== "GET") return new Response("only GET\n", { status: 405, headers: { allow: "GET" } });
  return new Response(await metrics.text(), { headers: { "content-type": metrics.contentType } });
}
