import { assertEquals } from "@std/assert";
import "../real_kernel.ts";
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
