/** The images whose pulls are measured, layer by layer. What they hold packs about as well as programs and text do. */
import { type Compression, type LayerContent, oneFile, tinyFiles, userland } from "./bulk.ts";
import type { Entry } from "./tar.ts";

const megabyte = 1 << 20;

function userlands(megabytes: number[], seed: number, compression?: Compression): LayerContent[] {
  return megabytes.map((size, number) => ({
    entries: () => userland(`opt/part-${number}`, size * megabyte, seed + number),
    compression,
  }));
}

/** Some 700 MB in files, a good 300 MB packed. */
const large = [370, 200, 90, 50];

/** Every layer has something that most have not. */
function oddLayers(): LayerContent[] {
  const folder = (path: string, mode = 0o755): Entry => ({ path, type: "5", mode });
  const numbered = (count: number, entry: (number: number) => Entry) =>
    Array.from({ length: count }, (_, n) => entry(n));
  const long = "long-name-".repeat(15);
  const odd: Entry[][] = [
    [folder("odd"), ...numbered(500, (n) => ({ path: `odd/link-${n}`, type: "2", link: "../bin/busybox" }))],
    [
      { path: "odd/first", data: "x".repeat(9000) },
      ...numbered(200, (n): Entry => ({ path: `odd/other-${n}`, type: "1", link: "odd/first" })),
    ],
    numbered(100, (n) => ({ path: `odd/.wh.link-${n}` })),
    [folder("hidden"), ...numbered(50, (n) => ({ path: `hidden/file-${n}`, data: String(n) }))],
    [folder("hidden"), { path: "hidden/.wh..wh..opq" }, { path: "hidden/new", data: "new" }],
    numbered(50, (n) => ({ path: `attributes/file-${n}`, pax: { "SCHILY.xattr.user.note": `note ${n}` }, data: "x" })),
    numbered(20, (n) => ({ path: `${long}/${long}/${n}`, data: "deep" })),
    [],
    [{ path: "odd/link-200", data: "a file where a symlink was" }, {
      path: "etc/nsswitch.conf",
      type: "2",
      link: "group",
    }],
    [{ path: "swapped", data: "a file" }],
    [folder("swapped"), { path: "swapped/inside", data: "where a file was" }],
    numbered(8, (n) => ({ path: `usr/bin/set-${n}`, mode: 0o4755 + 0o1000 * (n % 3), data: "#!/bin/sh\n" })),
    [{ path: "dev/pipe", type: "6" }, { path: "dev/null", type: "3", device: [1, 3], mode: 0o666 }],
    numbered(50, (n) => ({ path: `owned/file-${n}`, uid: 100_000 + n, gid: 3_000_000 + n, data: "x" })),
    numbered(30, (n) => ({ path: `unicode/${"äöü€𝄞".repeat(n % 5 + 1)}-${n}`, data: "x" })),
  ];
  return odd.map((entries, number) => ({
    entries: () => entries,
    compression: (["gzip", "zstd", "none"] as const)[number % 3],
  }));
}

export const benchImages = {
  /** 5 MB packed, 3 layers. */
  small: userlands([7, 2], 11),
  gzip: userlands(large, 11),
  zstd: userlands(large, 11, "zstd"),
  tiny: [{ entries: () => tinyFiles("srv/modules", 60_000, 21) }],
  single: [{ entries: () => oneFile("srv/model.bin", 1024 * megabyte, 31) }],
  /** 20 layers with busybox's. */
  odd: [...oddLayers(), ...userlands([8, 6, 4], 41), ...userlands([8], 51, "zstd")],
  /** 40 layers with busybox's. */
  deep: userlands(Array.from({ length: 39 }, (_, number) => 1 + number % 4), 61),
} satisfies Record<string, LayerContent[]>;

export type BenchImage = keyof typeof benchImages;
