/** Where systemd is asked for cgroups. To connect to a unix socket, Deno wants both rights on its path. */
const SYSTEM_BUS = "/run/dbus/system_bus_socket";

/**
 * What the compiled binary may do, written once: scripts/build passes it to `deno compile`, `skiff version --permissions`
 * prints it. `true` is the whole kind. docs/permissions.md says why each is there, and what the set does not guard against.
 */
export const permissions: Readonly<Record<PermissionKind, true | readonly string[]>> = {
  run: true,
  ffi: true,
  net: true,
  read: ["/etc/skiff", "/run/skiff", "/var/lib/skiff", SYSTEM_BUS],
  write: ["/etc/skiff", "/run/skiff", "/var/lib/skiff", SYSTEM_BUS],
  env: [
    "SKIFF_SOCKET",
    "NOTIFY_SOCKET",
    "NO_COLOR",
    "FORCE_COLOR",
    "CLICOLOR_FORCE",
    "GRPC_*",
    "DENO_TOKIO_EVENT_INTERVAL",
  ],
  sys: ["uid"],
};

export type PermissionKind = "run" | "ffi" | "net" | "read" | "write" | "env" | "sys";

/** The set as flags of `deno compile`, in a fixed order. An empty list gives no flag: nothing of that kind is allowed. */
export function permissionFlags(): string[] {
  return Object.entries(permissions).flatMap(([kind, value]) => {
    if (value === true) return [`--allow-${kind}`];
    return value.length === 0 ? [] : [`--allow-${kind}=${value.join(",")}`];
  });
}
