import { type Command, Option } from "commander";
import type { AdminServiceDefinition } from "../../proto/gen/skiff/v1/admin.ts";
import type { ImageServiceDefinition, RuntimeServiceDefinition } from "../../proto/gen/runtime/v1/api.ts";
import type { Client } from "../rpc/client.ts";
import { messageOf, RpcError } from "../rpc/status.ts";
import { Exit, EXIT_UNREACHABLE } from "./exit.ts";

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
    .addOption(new Option("--socket <PATH>", "The daemon's socket.").default(DEFAULT_SOCKET).env("SKIFF_SOCKET"))
    .option("--json", "Print JSON.");
}

/** Connects, runs `use`, and closes the connections. The gRPC client is loaded only here: commands that don't talk start faster. */
export async function withDaemon<T>(options: DaemonOptions, use: (daemon: Daemon) => Promise<T>): Promise<T> {
  const [{ connect }, api, admin] = await Promise.all([
    import("../rpc/client.ts"),
    import("../../proto/gen/runtime/v1/api.ts"),
    import("../../proto/gen/skiff/v1/admin.ts"),
  ]);
  using runtime = connect(options.socket, api.RuntimeServiceDefinition);
  using images = connect(options.socket, api.ImageServiceDefinition);
  using administration = connect(options.socket, admin.AdminServiceDefinition);
  try {
    return await use({ runtime, images, admin: administration });
  } catch (error) {
    // The daemon may itself say UNAVAILABLE, of a registry for example: only the socket tells whether it was reached.
    if (error instanceof RpcError && !await canConnect(options.socket)) {
      throw new Exit(EXIT_UNREACHABLE, messageOf(error));
    }
    throw error;
  }
}

async function canConnect(path: string): Promise<boolean> {
  try {
    (await Deno.connect({ transport: "unix", path })).close();
    return true;
  } catch {
    return false;
  }
}
