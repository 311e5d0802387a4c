/** Where the programs are that the tests drive. Nothing here is looked up on PATH except what Debian installs. */
const home = Deno.env.get("SKIFF_TOOLS") ?? `${Deno.env.get("HOME") ?? "/root"}/.cache/skiff`;
const checkout = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");

export const tools = {
  checkout,
  /** Tools that the set-up fetched or built, and what the tests keep between runs. */
  home,
  skiff: Deno.env.get("SKIFF_BINARY") ?? `${checkout}/dist/skiff`,
  crictl: `${home}/bin/crictl`,
  critest: `${home}/bin/critest`,
  containerd: `${home}/ctd/containerd`,
  containerdBin: `${home}/ctd`,
  images: `${home}/images`,
  /** Debian's, and the current release as the set-up builds it. */
  runc: "/usr/sbin/runc",
  runcRelease: `${home}/bin/runc`,
  crun: "/usr/bin/crun",
  conmon: "/usr/bin/conmon",
  cniPlugins: "/usr/lib/cni",
  registry: "/usr/bin/docker-registry",
  busybox: "/bin/busybox",
  nsenter: "/usr/bin/nsenter",
};

export function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}
