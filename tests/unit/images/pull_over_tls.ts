/** Serves an image over TLS on [::1] and pulls it: in a process of its own, as the certificates to trust come from its environment. */
import { messageOf } from "../../../src/rpc/status.ts";
import { buildImage, openStore } from "./support.ts";
import { file, tar } from "./tar_builder.ts";

const [certificates] = Deno.args;
const image = buildImage([tar([file("a")])]);
const [cert, key] = await Promise.all(
  ["server.pem", "server.key"].map((name) => Deno.readTextFile(`${certificates}/${name}`)),
);
const server = Deno.serve({ hostname: "::1", port: 0, cert, key, onListen: () => {} }, ({ url }) => {
  const name = url.split("/").pop()!;
  return new Response((image.blobs.get(name === "1" ? image.manifest.digest : name) ?? null) as BodyInit | null);
});
await using store = await openStore();
try {
  console.log((await store.service.pull(`[::1]:${server.addr.port}/app:1`, undefined, {})).id);
} catch (error) {
  console.log(messageOf(error));
}
await server.shutdown();
