/** What peers may cost us, per connection. The defaults are far above what a kubelet or a CLI does. */
export interface Limits {
  /** Connections at once; more are closed as they come. */
  maxConnections: number;
  /** Streams open at once, told to the peer; running handlers of streams that were reset count too (CVE-2023-44487). */
  maxConcurrentStreams: number;
  /** Bytes of a header list as RFC 7541 counts them, told to the peer. */
  maxHeaderListBytes: number;
  /** Bytes of one header block on the wire, and frames it may be split in. */
  maxHeaderBlockBytes: number;
  maxContinuationFrames: number;
  /** Streams a peer may reset at once while their calls run, and per second after that. */
  resetBurst: number;
  resetsPerSecond: number;
  /** PING, SETTINGS, PRIORITY, empty DATA and unknown frames; useful frames earn some back. */
  controlBurst: number;
  controlPerSecond: number;
  /** WINDOW_UPDATE frames; each KiB of DATA that we send earns one back. */
  windowUpdateBurst: number;
  /** Bytes of replies to control frames that may wait because the peer does not read. */
  maxControlOutBytes: number;
  /**
   * Bytes of responses that may wait on a connection before its further calls wait to begin, and to encode; 0 means twice
   * the largest message and 16 MiB, so that calls do not wait for a peer that reads.
   */
  maxQueuedOutBytes: number;
  /** Bytes of requests kept for calls that are not over; 0 means twice the largest message, 64 MiB at least. */
  maxBufferedInBytes: number;
}

export const DEFAULT_LIMITS: Limits = {
  maxConnections: 1024,
  maxConcurrentStreams: 1000,
  maxHeaderListBytes: 64 * 1024,
  maxHeaderBlockBytes: 64 * 1024,
  maxContinuationFrames: 32,
  resetBurst: 1000,
  resetsPerSecond: 200,
  controlBurst: 2000,
  controlPerSecond: 500,
  windowUpdateBurst: 10_000,
  maxControlOutBytes: 256 * 1024,
  maxQueuedOutBytes: 0,
  maxBufferedInBytes: 0,
};
