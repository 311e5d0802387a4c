import { assertEquals } from "@std/assert";
import { kernel } from "../real_kernel.ts";
import { FolderImport } from "../../../src/images/mod.ts";
import { buildImage, openStore, writeLayout } from "./support.ts";
import { file, tar } from "./tar_builder.ts";

const [A, B] = ["a", "b"].map((name) => buildImage([tar([file(name)])]));

Deno.test(
  "FolderImport takes tars and layouts once, again when they change or are gone, and passes over what is wrong (root)",
  {
    ignore: Deno.uid() !== 0,
  },
  async () => {
    await using store = await openStore();
    const folder = `${store.folder}/in`;
    let imports = 0;
    const run = async (): Promise<number> => {
      const before = imports;
      const images = {
        resolve: (name: string) => store.service.resolve(name),
        importLayout: (...given: Parameters<typeof store.service.importLayout>) => {
          imports++;
          return store.service.importLayout(...given);
        },
      };
      await using work = new FolderImport({
        kernel,
        logger: store.logger,
        images,
        folder,
        notes: `${store.folder}/notes`,
      });
      await work.done;
      return imports - before;
    };
    assertEquals(await run(), 0);
    await writeLayout(`${folder}/layout`, [{ image: A, name: "h.io/a:1" }]);
    await store.service.importLayout(`${folder}/layout`, undefined, {});
    await store.service.exportImages(["h.io/a:1"], { path: `${folder}/a.tar`, folder: false }, {});
    await store.service.remove("h.io/a:1", () => []);
    await Deno.writeTextFile(`${folder}/bad.tar`, "no tar");
    await Deno.writeTextFile(`${folder}/readme.txt`, "not looked at");
    assertEquals(await run(), 3);
    assertEquals(store.service.list().map(({ id }) => id), [A.config.digest]);
    const errors = store.logger.lines.filter(({ level }) => level === "error");
    assertEquals(errors.map(({ fields }) => fields?.path), [`${folder}/bad.tar`]);
    assertEquals(await run(), 1);
    await Deno.remove(`${folder}/bad.tar`);
    assertEquals(await run(), 0);
    await Deno.remove(`${folder}/layout`, { recursive: true });
    await writeLayout(`${folder}/layout`, [{ image: B, name: "h.io/b:1" }]);
    assertEquals(await run(), 1);
    await store.service.remove("h.io/a:1", () => []);
    assertEquals(await run(), 1);
    assertEquals(store.service.list().length, 2);
    await Deno.writeTextFile(`${store.folder}/notes`, "{");
    assertEquals(await run(), 2);
  },
);
