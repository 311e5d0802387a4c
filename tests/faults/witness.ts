import { assertEquals } from "@std/assert";

/** What an attack would leave traces on: a file, a process, and three kinds of sockets that count who comes. */
export interface Witness extends AsyncDisposable {
  folder: string;
  victim: string;
  canary: number;
  port: number;
  socket: string;
  /** @throws when anything was touched. */
  check(): Promise<void>;
}

const CONTENT = "untouched";

export async function startWitness(parent?: string): Promise<Witness> {
  if (parent) await Deno.mkdir(parent, { recursive: true, mode: 0o700 });
  const folder = await Deno.makeTempDir({ dir: parent, prefix: "witness-" });
  const files = { victim: `${folder}/victim`, socket: `${folder}/witness.sock` };
  await Deno.writeTextFile(files.victim, CONTENT);
  await Deno.writeTextFile(`${folder}/secret.json`, "{}");
  await Deno.writeTextFile(`${folder}/secret.ts`, "export {};");
  const canary = new Deno.Command("/bin/sleep", { args: ["600"] }).spawn();
  const tcp = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const unix = Deno.listen({ transport: "unix", path: files.socket });
  let visitors = 0;
  for (const listener of [tcp, unix]) {
    (async () => {
      for await (const connection of listener) {
        visitors++;
        connection.close();
      }
    })();
  }
  return {
    folder,
    ...files,
    canary: canary.pid,
    port: tcp.addr.port,
    check: async () => {
      assertEquals(await Deno.readTextFile(files.victim), CONTENT);
      assertEquals(visitors, 0, "somebody connected");
      assertEquals((await Deno.stat(`/proc/${canary.pid}`)).isDirectory, true);
      assertEquals((await Deno.readTextFile("/proc/self/mountinfo")).includes(folder), false, "something was mounted");
    },
    [Symbol.asyncDispose]: async () => {
      tcp.close();
      unix.close();
      try {
        canary.kill("SIGKILL");
      } catch {
        // An attack that may succeed has killed it.
      }
      await canary.status;
      await Deno.remove(folder, { recursive: true });
    },
  };
}
