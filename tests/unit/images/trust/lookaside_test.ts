import { assertEquals, assertThrows } from "@std/assert";
import { parseReference } from "../../../../src/images/reference.ts";
import { LocatedError } from "../../../../src/images/trust/located_json.ts";
import { placeFor, readPlaces, signatureFolder, type SignaturePlaces } from "../../../../src/images/trust/lookaside.ts";

function read(...files: string[]): SignaturePlaces {
  const places: SignaturePlaces = { default: {}, docker: new Map() };
  for (const file of files) readPlaces(file, places);
  return places;
}

Deno.test("placeFor() takes the most special scope, of all files together", () => {
  const places = read(
    "default-docker:\n  lookaside: https://all.example/s\ndocker:\n  h.io:\n    sigstore: https://h.example\n",
    "docker:\n  h.io/team/app:\n    use-sigstore-attachments: true\n    lookaside-staging: file:///x\n",
  );
  const place = (name: string) => placeFor(places, parseReference(name));
  assertEquals(place("h.io/team/app:1"), { lookaside: "https://h.example", attachments: true });
  assertEquals(place("h.io/team/other:1"), { lookaside: "https://h.example", attachments: undefined });
  assertEquals(place("busybox").lookaside, "https://all.example/s");
  assertEquals(placeFor(read(""), parseReference("busybox")).lookaside, "file:///var/lib/containers/sigstore");
});

Deno.test("signatureFolder() has the repository without its registry", () => {
  assertEquals(
    signatureFolder("https://s.example/sigs/", parseReference("h.io:5000/team/app:1"), "sha256:00"),
    "https://s.example/sigs/team/app@sha256=00",
  );
});

Deno.test("readPlaces() names the line and what is wrong there", () => {
  const refusal = (...files: string[]) => {
    const error = assertThrows(() => read(...files), LocatedError) as LocatedError;
    return `${error.line}: ${error.message}`;
  };
  assertEquals(refusal("a: 1"), '1: the file has the unknown key "a"');
  assertEquals(refusal("docker:\n  h.io:\n    lookside: https://x"), '3: "h.io" has the unknown key "lookside"');
  assertEquals(
    refusal("docker:\n  h.io:\n    lookaside: ftp://x"),
    "3: lookaside is not a URL that starts with https, http or file",
  );
  assertEquals(
    refusal("docker:\n  h.io:\n    use-sigstore-attachments: sure"),
    "3: use-sigstore-attachments is neither true nor false",
  );
  assertEquals(refusal("docker:\n  '*.io': {}"), '2: the scope "*.io" has an asterisk');
  assertEquals(refusal("docker:\n  h.io: {}", "docker:\n  h.io: {}"), '2: "h.io" stands in another file, too');
  assertEquals(refusal("docker: [1]"), "1: docker is not a mapping");
  assertEquals(refusal("a: &x {}\nb: *x").split(":")[1], " has an alias, which is not supported");
});
