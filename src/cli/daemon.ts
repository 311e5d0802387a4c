import type { Command } from "commander";
import type { AdminServiceDefinition } from "../../proto/gen/skiff/v1/admin.ts";
import type { ImageServiceDefinition, RuntimeServiceDefinition } from "../../proto/gen/runtime/v1/api.ts";
type Client<T> = T & any;

export const DEFAULT_SOCKET = "/run/skiff/skiff.sock";

/** Options of every command that talks to the daemon. */
export interface DaemonOptions {
  socket: string;
  json?: boolean;
}

/** The daemon's three services over one socket. */
export interface Daemon {
  runtime: Client<RuntimeServiceDefinition>;
  images: Client<ImageServiceDefinition>;
  admin: Client<AdminServiceDefinition>;
}

export function withDaemonOptions(command: Command): Command {
  return command
    .option(
      "-s, --socket <PATH>",
      "The daemon's socket; also SKIFF_SOCKET.",
      Deno.env.get("SKIFF_SOCKET") ?? DEFAULT_SOCKET,
    )
    .option("--json", "Print JSON.");
}

/** Connects, runs `use`, and closes the connections. The gRPC client is loaded only here: commands that don't talk start faster. */
export async function withDaemon<T>(options: DaemonOptions, use: (daemon: Daemon) => Promise<T>): Promise<T> {
  const [{ connect }, api, admin] = await Promise.all([
    import(["..", "rpc", "client.ts"].join("/")),
    import("../../proto/gen/runtime/v1/api.ts"),
    import("../../proto/gen/skiff/v1/admin.ts"),
  ]);
  const runtime = connect(options.socket, (api as any).RuntimeServiceDefinition);
  const images = connect(options.socket, api.ImageServiceDefinition);
  const administration = connect(options.socket, admin.AdminServiceDefinition);
  try {
    return await use({ runtime: runtime.client, images: images.client, admin: administration.client });
  } finally {
    for (const connection of [runtime, images, administration]) connection.close();
  }
}
