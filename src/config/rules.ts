import { isIP } from "node:net";
/** Checks of single values: each says what is wrong, or nothing. */

/** The folders that the binary's permissions name; a path elsewhere would be refused by Deno in the middle of the work. */
export const ALLOWED_ROOTS = { root: "/var/lib/skiff", state: "/run/skiff", socket: "/run/skiff" } as const;

/** sockaddr_un has room for 107 bytes and a zero. */
const SOCKET_PATH_LIMIT = 107;

/** A clean absolute path: no `..`, no `//`, no trailing slash, no line break. */
export function absolutePath(value: string): string | undefined {
  if (!value.startsWith("/")) return "is not an absolute path";
  if (/[\n\r\0]/.test(value)) return "has a line break or a zero byte in it";
  if (
    value !== "/" && (value.endsWith("/") || value.split("/").slice(1).some((part) => ["", ".", ".."].includes(part)))
  ) {
    return "has an empty part, `.` or `..` in it, or ends with a slash";
  }
  return undefined;
}

/** Absolute, or empty where empty means "look for it". */
export function absolutePathOrEmpty(value: string): string | undefined {
  return value === "" ? undefined : absolutePath(value);
}

/** An absolute path that is `base` or below it. */
export function pathBelow(base: string): (value: string) => string | undefined {
  return (value) => {
    const wrong = absolutePath(value);
    if (wrong !== undefined) return wrong;
    if (value === base || value.startsWith(`${base}/`)) return undefined;
    return `is not below ${base}: the binary was compiled with the right to read and write only there. ` +
      `To keep it on another disk, bind that folder: mount --bind ${value} ${base}`;
  };
}

export function socketPath(value: string): string | undefined {
  const wrong = pathBelow(ALLOWED_ROOTS.socket)(value);
  if (wrong !== undefined) return wrong;
  if (value === ALLOWED_ROOTS.socket) return "is the folder; name a file in it";
  const length = new TextEncoder().encode(value).length;
  return length > SOCKET_PATH_LIMIT
    ? `has ${length} bytes; a unix socket's path has room for ${SOCKET_PATH_LIMIT}`
    : undefined;
}

/** The name of a systemd slice: each dash is a level. */
export const SLICE = /^[A-Za-z0-9_:.]+(?:-[A-Za-z0-9_:.]+)*\.slice$/;

/** A cgroup, as a path below the mount point of the controller, or as a systemd slice: which, the driver decides. */
export function cgroupPath(value: string): string | undefined {
  if (SLICE.test(value)) return undefined;
  const wrong = absolutePath(value);
  if (wrong !== undefined) return wrong;
  return value === "/" ? "is the root cgroup" : undefined;
}

export function environmentEntry(value: string): string | undefined {
  if (/\0/.test(value)) return "has a zero byte in it";
  return /^[^=]+=/.test(value) ? undefined : "is not NAME=value";
}

/** `host`, `host:port`, `[v6]:port`. */
export const REGISTRY_HOST = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(?::[0-9]{1,5})?$/;

export function mirrorUrl(value: string): string | undefined {
  let url: URL;
  try {
    url = new URL(value);
  } catch {
    return "is not a URL";
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") return "does not start with http:// or https://";
  if (url.username !== "" || url.password !== "") {
    return "has a password in it; credentials come from the kubelet with each pull";
  }
  if (url.search !== "" || url.hash !== "") return "has a query or a fragment in it";
  return undefined;
}

export function proxyUrl(value: string): string | undefined {
  if (value === "") return undefined;
  const url = URL.parse(value);
  if (url?.protocol !== "http:" && url?.protocol !== "https:") return "is not an http:// or https:// address";
  if (url.username !== "" || url.password !== "") {
    return "has a password in it, which `skiff config` would show; give it in HTTPS_PROXY of the daemon's environment";
  }
  return url.pathname === "/" && url.search === "" && url.hash === "" ? undefined : "has more in it than host and port";
}

export function noProxyEntry(value: string): string | undefined {
  return /^[A-Za-z0-9.:/*_-]+$/.test(value) ? undefined : "is not a host name, an address or a network";
}

export function platform(value: string): string | undefined {
  if (value === "") return undefined;
  return /^[a-z0-9]+\/[a-z0-9_]+(?:\/[a-z0-9]+)?$/.test(value) ? undefined : "is not os/arch or os/arch/variant";
}

/** `host:port` or `[v6]:port`; the host must be named, so that nothing is opened to the world by an empty one. */
export function listenAddress(value: string): string | undefined {
  if (value === "") return undefined;
  const match = /^(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9.-]+):([0-9]{1,5})$/.exec(value);
  if (!match) return "is not host:port";
  return Number(match[2]) >= 1 && Number(match[2]) <= 65_535
    ? undefined
    : `has the port ${match[2]}; ports go from 1 to 65535`;
}

/** An address that a server listens on and tells its clients. */
export function ownAddress(value: string): string | undefined {
  if (isIP(value) === 0) return "is not an IP address";
  return /^[0.:]+$/.test(value) && value !== "::1" ? "is every address, which nobody can connect to" : undefined;
}

export function imageName(value: string): string | undefined {
  return value === "" || /\s/.test(value) ? "is not an image name" : undefined;
}
