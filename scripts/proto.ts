/**
 * Regenerates proto/gen from proto/ with buf and ts-proto, both pinned in deno.lock.
 *
 * `deno task proto` writes into proto/gen; `deno run -A scripts/proto.ts --out DIR` writes elsewhere, which is how a
 * unit test finds out whether the committed codecs are up to date.
 */
const root = new URL("..", import.meta.url).pathname;
const outAt = Deno.args.indexOf("--out");
const out = outAt >= 0 ? Deno.args[outAt + 1] : `${root}proto/gen`;

/** 64-bit integers as bigint (times in nanoseconds pass 2^53), plain objects, and service descriptions without a client library in them. */
const options = [
  "forceLong=bigint",
  "esModuleInterop=true",
  "importSuffix=.ts",
  "outputServices=generic-definitions",
  "outputJsonMethods=false",
  "outputPartialMethods=true",
  "useExactTypes=false",
  "exportCommonSymbols=false",
  "unrecognizedEnum=true",
  "removeEnumPrefix=false",
  "useDate=false",
];
const template = {
  version: "v2",
  plugins: [{
    local: [Deno.execPath(), "run", "-A", `${root}node_modules/.bin/protoc-gen-ts_proto`],
    out,
    opt: options,
  }],
};
const { success } = await new Deno.Command(`${root}node_modules/.bin/buf`, {
  args: ["generate", "--template", JSON.stringify(template), `${root}proto`],
  env: { BUF_CACHE_DIR: await Deno.makeTempDir({ prefix: "skiff-buf-" }) },
}).spawn().status;
if (!success) Deno.exit(1);
console.log(`wrote ${out}`);
