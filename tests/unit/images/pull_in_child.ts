/** A daemon's life up to a pull that hangs, for a test to kill it. */
import { ImageService } from "../../../src/images/mod.ts";
import { kernel, programs } from "../../../src/sys/mod.ts";
import { imagesConfig, MemoryLogger, MemoryTable, openTable } from "./support.ts";

const [folder, host] = Deno.args;
const images = imagesConfig({ registries: { [host]: { mirrors: [], plainHttp: true } }, stallTimeoutSeconds: 60 });
const config = { root: `${folder}/root`, state: `${folder}/state`, images };
const service = new ImageService({
  ...{ config, kernel, programs, openTable },
  table: new MemoryTable(),
  logger: new MemoryLogger(),
});
await service.start();
await service.pull(`${host}/app:1`, undefined, {});
