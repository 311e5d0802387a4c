import { assertEquals, assertThrows } from "@std/assert";
import { parseManifest } from "../../../src/images/documents.ts";
import { parseImageConfig } from "../../../src/images/image_config.ts";
import { DOCKER_INDEX, DOCKER_MANIFEST, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST } from "../../../src/images/media_types.ts";
import { selectPlatform } from "../../../src/images/platform.ts";
import { json } from "./support.ts";

const DIGEST = `sha256:${"a".repeat(64)}`;
const LAYER = { mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", digest: DIGEST, size: 1 };
const CONFIG = { mediaType: OCI_CONFIG, digest: DIGEST, size: 2 };
const MANIFEST = { schemaVersion: 2, config: CONFIG, layers: [LAYER] };
const INDEX = { schemaVersion: 2, manifests: [{ mediaType: OCI_MANIFEST, digest: DIGEST, size: 3 }] };

const parse = (value: unknown, contentType = "") => parseManifest(json(value).bytes, contentType, 3);

Deno.test("parseManifest() reads a manifest and an index", () => {
  const mediaType = OCI_MANIFEST;
  assertEquals(parse(MANIFEST, mediaType), { kind: "manifest", mediaType, config: CONFIG, layers: [LAYER] });
  for (const contentType of [DOCKER_INDEX, ""]) {
    const { kind, mediaType } = parse({ ...INDEX, mediaType: DOCKER_INDEX }, contentType);
    assertEquals([kind, mediaType], ["index", DOCKER_INDEX]);
  }
  assertEquals(parse(INDEX, DOCKER_INDEX).mediaType, DOCKER_INDEX);
});

Deno.test("parseManifest() takes layers that must not be distributed, Docker's and uncompressed ones", () => {
  for (
    const mediaType of [
      "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
      "application/vnd.oci.image.layer.v1.tar",
      "application/vnd.docker.image.rootfs.diff.tar.gzip",
      "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    ]
  ) assertEquals(parse({ ...MANIFEST, layers: [{ ...LAYER, mediaType }] }).kind, "manifest");
});

const titled = (title: string) => ({ ...LAYER, annotations: { "org.opencontainers.image.title": title } });
const artifact = (titles: string[]) => ({ ...MANIFEST, artifactType: "a/b", layers: titles.map(titled) });

Deno.test("parseManifest() tells artifacts by their type, or by that of their config", () => {
  const blobs = [{ title: "", blob: CONFIG }, { title: "dir/file", blob: LAYER }];
  assertEquals(parse(artifact(["dir/file"])), {
    kind: "artifact",
    mediaType: OCI_MANIFEST,
    type: "a/b",
    blobs,
  });
  const chart = { ...CONFIG, mediaType: "application/vnd.cncf.helm.config.v1+json" };
  assertEquals(parse({ ...MANIFEST, config: chart }), {
    kind: "artifact",
    mediaType: OCI_MANIFEST,
    type: chart.mediaType,
    blobs: [{ title: "", blob: chart }, { title: "", blob: LAYER }],
  });
  const model = { ...LAYER, mediaType: "x/y", annotations: { "org.cncf.model.filepath": "m.bin" } };
  const parsed = parse({ ...MANIFEST, artifactType: "a/b", layers: [model] });
  assertEquals(parsed.kind === "artifact" && parsed.blobs[1].title, "m.bin");
});

const BAD: [string, unknown, string, RegExp][] = [
  ["layers and manifests at once (CVE-2021-41190)", { ...MANIFEST, ...INDEX }, "", /CVE-2021-41190/],
  ["config and manifests at once", { ...INDEX, config: CONFIG }, "", /CVE-2021-41190/],
  ["an index that calls itself a manifest", { ...INDEX, mediaType: OCI_MANIFEST }, "", /it is an index/],
  ["a manifest that the server calls an index", MANIFEST, OCI_INDEX, /Content-Type is .*index/],
  ["an index that the server calls a manifest", INDEX, DOCKER_MANIFEST, /Content-Type is .*manifest/],
  ["schema 1", { schemaVersion: 1, fsLayers: [] }, "", /schema 1/],
  ["no schemaVersion", { config: CONFIG, layers: [] }, "", /schemaVersion/],
  ["a foreign media type", { ...MANIFEST, mediaType: "application/json" }, "", /mediaType application\/json/],
  ["an artifact of no type", { ...MANIFEST, artifactType: "no type" }, "", /"no type" is not the type/],
  ["a file outside", artifact(["../../etc/passwd"]), "", /layers\[0\] has the title .* out of the volume/],
  ["a file at the root", artifact(["/etc/passwd"]), "", /layers\[0\] has the title .* out of the volume/],
  ["a file that is a folder, too", artifact(["a", "a/b"]), "", /"a" is a file and a folder of "a\/b"/],
  ["two files of one name", artifact(["a", "a"]), "", /two of its blobs have the title "a"/],
  [
    "an encrypted layer",
    { ...MANIFEST, layers: [{ ...LAYER, mediaType: `${LAYER.mediaType}+encrypted` }] },
    "",
    /layers\[0\] is encrypted/,
  ],
  ["an unknown layer", { ...MANIFEST, layers: [{ ...LAYER, mediaType: "text/html" }] }, "", /unknown media type/],
  ["too many layers", { ...MANIFEST, layers: [LAYER, LAYER, LAYER, LAYER] }, "", /4 entries, over the limit of 3/],
  [
    "a digest that is a path (CVE-2024-3727)",
    { ...MANIFEST, config: { ...CONFIG, digest: "sha256:../../../etc" } },
    "",
    /config.digest/,
  ],
  ["an upper-case digest", { ...MANIFEST, config: { ...CONFIG, digest: DIGEST.toUpperCase() } }, "", /config.digest/],
  [
    "a digest of another kind",
    { ...MANIFEST, config: { ...CONFIG, digest: `sha512:${"a".repeat(128)}` } },
    "",
    /config.digest/,
  ],
  ["a negative size", { ...MANIFEST, layers: [{ ...LAYER, size: -1 }] }, "", /layers\[0\].size/],
  ["a size that is text", { ...MANIFEST, layers: [{ ...LAYER, size: "1" }] }, "", /layers\[0\].size/],
  ["a broken size", { ...MANIFEST, layers: [{ ...LAYER, size: 1.5 }] }, "", /layers\[0\].size/],
  ["layers that are no list", { ...MANIFEST, layers: {} }, "", /layers is not a list/],
  ["a list", [], "", /not a JSON object/],
  ["null", null, "", /not a JSON object/],
];

for (const [what, value, contentType, reason] of BAD) {
  Deno.test(`parseManifest() rejects ${what}`, () => {
    const { message } = assertThrows(() => parse(value, contentType)) as Error;
    assertEquals(reason.test(message), true, message);
  });
}

Deno.test("parseManifest() rejects bytes that are not UTF-8 or not JSON", () => {
  for (const bytes of [new Uint8Array([0x22, 0xff, 0x22]), new TextEncoder().encode("{"), new Uint8Array()]) {
    assertThrows(() => parseManifest(bytes, "", 1), Error, "not JSON");
  }
});

Deno.test("parseImageConfig() reads what a container takes over, null fields as missing", () => {
  const config = {
    rootfs: { type: "layers", diff_ids: [DIGEST] },
    config: {
      User: "1:2",
      Env: ["A=b"],
      Entrypoint: ["/e"],
      Cmd: null,
      WorkingDir: "/w",
      Volumes: { "/v": {} },
      StopSignal: "SIGINT",
      Labels: { a: "b", __proto__x: "c" },
    },
  };
  const { diffIds, defaults, labels } = parseImageConfig(json(config).bytes, 10);
  assertEquals(diffIds, [DIGEST]);
  assertEquals(defaults, {
    user: "1:2",
    env: ["A=b"],
    entrypoint: ["/e"],
    cmd: [],
    workingDir: "/w",
    volumes: ["/v"],
    stopSignal: "SIGINT",
  });
  assertEquals(labels, { a: "b", __proto__x: "c" });
  assertEquals(parseImageConfig(json({ rootfs: {}, config: null }).bytes, 10).diffIds, []);
});

Deno.test("parseImageConfig() keeps a label called __proto__ a label", () => {
  const bytes = new TextEncoder().encode('{"rootfs":{},"config":{"Labels":{"__proto__":"x"}}}');
  assertEquals(Object.keys(parseImageConfig(bytes, 1).labels), ["__proto__"]);
});

const BAD_CONFIGS: [string, unknown, RegExp][] = [
  ["no rootfs", {}, /rootfs is not/],
  ["a wrong diff ID", { rootfs: { diff_ids: ["sha256:x"] } }, /diff_ids\[0\]/],
  ["too many diff IDs", { rootfs: { diff_ids: Array(5).fill(DIGEST) } }, /over the limit of 3/],
  ["Env of numbers", { rootfs: {}, config: { Env: [1] } }, /config.Env has an entry that is not a string/],
  ["Cmd as text", { rootfs: {}, config: { Cmd: "sh" } }, /config.Cmd is not a list/],
  ["a NUL in Env", { rootfs: {}, config: { Env: ["A=\0"] } }, /config.Env has a NUL/],
  ["a User that is a number", { rootfs: {}, config: { User: 0 } }, /User is not a string/],
  ["Labels of numbers", { rootfs: {}, config: { Labels: { a: 1 } } }, /Labels/],
];

for (const [what, value, reason] of BAD_CONFIGS) {
  Deno.test(`parseImageConfig() rejects ${what}`, () => {
    const { message } = assertThrows(() => parseImageConfig(json(value).bytes, 3)) as Error;
    assertEquals(reason.test(message), true, message);
  });
}

Deno.test("selectPlatform() takes the exact variant, else the one that every machine runs", () => {
  const entry = (os: string, architecture: string, variant = "") => ({ platform: { os, architecture, variant } });
  const index = [
    entry("unknown", "unknown"),
    entry("linux", "arm64", "v8"),
    entry("linux", "amd64", "v3"),
    entry("linux", "amd64"),
    entry("windows", "amd64"),
  ];
  assertEquals(selectPlatform(index, { os: "linux", architecture: "amd64", variant: "" }), index[3]);
  assertEquals(selectPlatform(index, { os: "linux", architecture: "amd64", variant: "v3" }), index[2]);
  assertEquals(selectPlatform(index, { os: "linux", architecture: "arm64", variant: "" }), index[1]);
  assertEquals(selectPlatform(index, { os: "linux", architecture: "s390x", variant: "" }), undefined);
  assertEquals(selectPlatform([{ platform: undefined }], { os: "linux", architecture: "amd64", variant: "" }), {
    platform: undefined,
  });
});
