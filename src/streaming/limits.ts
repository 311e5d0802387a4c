/** What one client may cost. Every number is far above what kubelet, kubectl and crictl need. */
export const LIMITS = {
  /** Request line and headers of the upgrade request. */
  headBytes: 64 << 10,
  headLines: 128,
  headTimeout: 10_000,
  /** Connections at a time, with or without a valid token. */
  connections: 4_096,
  /** URLs that are out and not used yet. */
  tokens: 4_096,
  tokenLifetime: 60_000,
  /** SPDY: a frame that is not data. */
  controlFrameBytes: 64 << 10,
  /** SPDY: a header block once inflated. */
  headerBlockBytes: 64 << 10,
  headerPairs: 64,
  /** SPDY: streams that are open at a time. Exec and attach need five. */
  remoteCommandStreams: 8,
  portForwardStreams: 2_048,
  /** Bytes from the client that nobody has taken yet; then the connection is not read any more. */
  queuedBytes: 1 << 20,
  /** Charged for every queued piece on top of its bytes: a flood of tiny frames must not cost more than it counts. */
  pieceOverhead: 256,
  /** A terminal size as JSON. */
  resizeBytes: 1 << 10,
  /** Ports of one port-forward over WebSocket channels, each two of 255. */
  channelPorts: 127,
} as const;
