import { assertEquals } from "@std/assert";
import { selfCommand } from "../real_kernel.ts";
import { startTestRegistry } from "./registry_support.ts";
import { buildImage, openStore } from "./support.ts";
import { file, tar } from "./tar_builder.ts";

Deno.test({
  name: "ChildPair tells a source that is longer than a pipe takes at once, and what to fetch after it (root)",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    const image = buildImage([tar([file("a")])]);
    await using registry = startTestRegistry(image);
    const certsDir = await Deno.makeTempDir();
    await Deno.mkdir(`${certsDir}/${registry.host}`);
    const certificate = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n" + "#".repeat(300_000);
    await Deno.writeTextFile(`${certsDir}/${registry.host}/ca.crt`, certificate);
    {
      const registries = { [registry.host]: { mirrors: [], plainHttp: true } };
      await using store = await openStore({ registries, certsDirs: [certsDir] });
      const { id } = await store.service.pull(`${registry.host}/app:1`, undefined, {
        signal: AbortSignal.timeout(60_000),
      });
      assertEquals(id, image.config.digest);
    }
    await Deno.remove(certsDir, { recursive: true });
  },
});

Deno.test("skiff __fetch leaves it to the parser to say why it reads no more", async () => {
  await using registry = startTestRegistry(buildImage([tar([file("a")])]));
  const [program, ...args] = selfCommand("__fetch");
  const child = new Deno.Command(program, { args, stdin: "piped", stdout: "piped", stderr: "piped" }).spawn();
  await child.stdout.cancel();
  const input = child.stdin.getWriter();
  const endpoints = [{ url: `http://${registry.host}` }];
  for (
    const line of [
      { kind: "registry", repository: "app", endpoints, stallMilliseconds: 5_000 },
      { command: "manifest", reference: "1", limit: 1_000_000 },
    ]
  ) await input.write(new TextEncoder().encode(JSON.stringify(line) + "\n"));
  const [{ code }, said] = await Promise.all([child.status, new Response(child.stderr).text()]);
  assertEquals([code, said, registry.requests.length > 0], [1, "", true]);
  await input.close().catch(() => {});
});
