import { ImageServiceDefinition, RuntimeServiceDefinition } from "../../../proto/gen/runtime/v1/api.ts";
import { AdminServiceDefinition } from "../../../proto/gen/skiff/v1/admin.ts";
import { commands } from "../../../src/cli/commands.ts";
import { runCommand } from "../../../src/cli/run.ts";
import type { Terminal } from "../../../src/cli/terminal.ts";
import { type Handlers, Server, service } from "../../../src/rpc/mod.ts";

export interface Ran {
  code: number;
  out: string;
  err: string;
}

/** A terminal that collects. */
export class Collected implements Terminal {
  text = { out: "", err: "" };
  constructor(readonly isTty = false, readonly columns = 100) {}
  out(text: string): void {
    this.text.out += text;
  }
  err(text: string): void {
    this.text.err += text;
  }
}

/** Runs `skiff` with these arguments in this process. */
export async function skiff(...args: string[]): Promise<Ran> {
  const terminal = new Collected();
  const code = await runCommand(Object.hasOwn(commands, args[0] ?? "") ? commands[args[0]] : undefined, args, terminal);
  return { code, ...terminal.text };
}

interface Answers {
  runtime?: Handlers<RuntimeServiceDefinition>;
  images?: Handlers<ImageServiceDefinition>;
  admin?: Handlers<AdminServiceDefinition>;
}

/** Runs `use` while a real gRPC server gives these answers on a socket, whose path it gets. */
export async function withAnswers(answers: Answers, use: (socket: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "skiff-cli-" });
  const server = new Server({
    services: [
      service(RuntimeServiceDefinition, answers.runtime ?? {}),
      service(ImageServiceDefinition, answers.images ?? {}),
      service(AdminServiceDefinition, answers.admin ?? {}),
    ],
    maxMessageBytes: 16 * 1024 * 1024,
  });
  const socket = `${folder}/skiff.sock`;
  try {
    await server.listen(socket, { mode: 0o600 });
    await use(socket);
  } finally {
    await server.stop(100);
    await Deno.remove(folder, { recursive: true });
  }
}
