import { assertEquals } from "@std/assert";
import { attachLink } from "../../../src/oci/monitor_files.ts";

const id = "0123456789abcdef".repeat(4);
/** A state folder that makes the link's path `bytes` long. */
const folder = (bytes: number) => `/run/${"s".repeat(bytes - "/run/".length - "/attach/".length - id.length)}`;

Deno.test("attachLink() is named by the container's whole ID", () => {
  assertEquals(attachLink("/run/skiff", id), `/run/skiff/attach/${id}`);
  for (const bytes of [106, 108]) assertEquals(attachLink(folder(bytes), id), `${folder(bytes)}/attach/${id}`);
});

Deno.test("attachLink() lacks the last character where conmon leaves it out: at the length of a socket's address", () => {
  assertEquals(attachLink(folder(107), id), `${folder(107)}/attach/${id.slice(0, -1)}`);
});
