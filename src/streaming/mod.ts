/** Exec, attach and port-forward sessions over SPDY and WebSocket. Knows neither pods nor the runtime: what to run or reach is passed in. */
export { type StreamingOptions, StreamingServer } from "./server.ts";
export type {
  AttachRequest,
  AttachTarget,
  ExecRequest,
  ExecTarget,
  PortForwardRequest,
  PortForwardTarget,
  RunningCommand,
  Stdio,
  StreamSelection,
} from "./types.ts";
