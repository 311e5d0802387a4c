export const CLOSE_NORMAL = 1000;
export const CLOSE_PROTOCOL_ERROR = 1002;
export const CLOSE_INVALID_DATA = 1007;

/** The client breaks RFC 6455 or the subprotocol: the connection ends with this close code. */
export class WebSocketError extends Error {
  constructor(readonly code: number, message: string) {
    super(message);
  }
}
