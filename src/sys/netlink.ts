import { O_CLOEXEC } from "./constants.ts";
import { close } from "./descriptors.ts";
import { EINTR, failure } from "./errno.ts";
import { errno, libc } from "./libc_symbols.ts";

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const NETLINK_ROUTE = 0;
const RTM_NEWLINK = 16;
const NLM_F_REQUEST = 1;
const NLM_F_ACK = 4;
const NLMSG_ERROR = 2;
const IFF_UP = 1;
const LOOPBACK_INDEX = 1;

/** struct nlmsghdr (16 bytes) and struct ifinfomsg (16 bytes). */
function linkUp(index: number): Uint8Array<ArrayBuffer> {
  const message = new Uint8Array(32);
  const view = new DataView(message.buffer);
  view.setUint32(0, message.length, true);
  view.setUint16(4, RTM_NEWLINK, true);
  view.setUint16(6, NLM_F_REQUEST | NLM_F_ACK, true);
  view.setUint32(8, 1, true);
  view.setInt32(20, index, true);
  view.setUint32(24, IFF_UP, true);
  view.setUint32(28, IFF_UP, true);
  return message;
}

export function setLoopbackUp(): void {
  const fd = libc().socket(AF_NETLINK, SOCK_RAW | O_CLOEXEC, NETLINK_ROUTE);
  if (fd < 0) throw failure(errno(), "socket", "AF_NETLINK");
  try {
    const message = linkUp(LOOPBACK_INDEX);
    if (Number(libc().send(fd, message, BigInt(message.length), 0)) < 0) {
      throw failure(errno(), "send", "RTM_NEWLINK lo up");
    }
    const reply = new Uint8Array(4096);
    let count: number;
    do count = Number(libc().recv(fd, reply, 4096n, 0)); while (count < 0 && errno() === EINTR);
    if (count < 0) throw failure(errno(), "recv", "the answer to RTM_NEWLINK");
    const view = new DataView(reply.buffer);
    if (count < 20 || view.getUint16(4, true) !== NLMSG_ERROR) {
      throw new Error(
        `Cannot set lo up: rtnetlink sent ${count} bytes of type ${view.getUint16(4, true)} for an answer`,
      );
    }
    const code = -view.getInt32(16, true);
    if (code !== 0) throw failure(code, "rtnetlink", "lo up");
  } finally {
    close(fd);
  }
}
