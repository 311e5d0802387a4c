import { assertEquals } from "@std/assert";
import { goClient } from "./build.ts";
import { startServer } from "./rig.ts";

Deno.test("goclient: grpc-go gets what the CRI promises, with small and large messages, deadlines and disconnects", async () => {
  const tool = await goClient();
  await using server = await startServer();
  const { code, stdout } = await new Deno.Command(tool, { args: ["conform", server.socket] }).output();
  const output = new TextDecoder().decode(stdout);
  console.log(output);
  assertEquals(code, 0, output);
});
