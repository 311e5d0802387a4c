export { createLogger, type Level, type LeveledLogger, type LoggerOptions } from "./log.ts";
export { errorText } from "./error_text.ts";
export { createMetrics, type Metrics, type MetricsReaders, noMetrics, PrometheusMetrics } from "./metrics.ts";
export { type MetricsServer, parseListen, serveMetrics } from "./metrics_server.ts";
export type { Logger } from "./types.ts";
