import { headerItems, type HttpHead, HttpRefusal } from "../http_head.ts";

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const encoder = new TextEncoder();

export interface Agreement {
  /** The subprotocol; empty: the client offered none. */
  protocol: string;
  /** For the 101 response. */
  headers: Record<string, string>;
}

/** Checks the client's opening handshake and takes its first subprotocol that is among `supported`. HttpRefusal. */
export async function agree(head: HttpHead, supported: readonly string[]): Promise<Agreement> {
  if (head.method !== "GET") throw new HttpRefusal(405, "a WebSocket begins with GET", { Allow: "GET" });
  if (head.headers.get("sec-websocket-version") !== "13") {
    throw new HttpRefusal(426, "only version 13 of WebSocket is spoken here", { "Sec-WebSocket-Version": "13" });
  }
  const key = head.headers.get("sec-websocket-key") ?? "";
  if (!/^[A-Za-z0-9+/]{22}==$/.test(key)) throw new HttpRefusal(400, "Sec-WebSocket-Key must be 16 bytes in base64");
  const offered = headerItems(head, "sec-websocket-protocol");
  const protocol = offered.length === 0 ? "" : offered.find((one) => supported.includes(one));
  if (protocol === undefined || !supported.includes(protocol)) {
    const names = supported.filter((one) => one !== "").join(", ");
    throw new HttpRefusal(403, `none of the offered subprotocols is spoken here: offer one of ${names}`);
  }
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-1", encoder.encode(key + GUID)));
  return {
    protocol,
    headers: {
      "Upgrade": "websocket",
      "Sec-WebSocket-Accept": digest.toBase64(),
      ...(protocol !== "" && { "Sec-WebSocket-Protocol": protocol }),
    },
  };
}
