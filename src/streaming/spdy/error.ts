/** The client does not speak SPDY/3.1, or goes over a limit: the connection is over. */
export class SpdyError extends Error {}
