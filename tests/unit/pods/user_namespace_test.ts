import { assertEquals } from "@std/assert";
import { layerIdmap, mapsOf, onNode, splitSysctls } from "../../../src/pods/user_namespace.ts";

const userns = {
  path: "/ns",
  uids: { containerID: 0, hostID: 100_000, size: 1000 },
  gids: { containerID: 0, hostID: 200_000, size: 2000 },
};

Deno.test("mapsOf(), layerIdmap() and onNode() tell the same mapping", () => {
  assertEquals(mapsOf(userns), { uid: "0 100000 1000\n", gid: "0 200000 2000\n" });
  assertEquals(layerIdmap(userns), {
    userns: "/ns",
    uids: { host: 100_000, size: 1000 },
    gids: { host: 200_000, size: 2000 },
  });
  assertEquals(onNode({ uid: 5, gid: 6 }, userns), { uid: 100_005, gid: 200_006 });
  assertEquals(onNode({ uid: 5, gid: 6 }, undefined), { uid: 5, gid: 6 });
});

const sysctls = { "net.ipv4.ip_forward": "1", "kernel.msgmax": "9", "net/ipv4/ping_group_range": "0 9" };

Deno.test("splitSysctls() sets all where the pod uses the node's user namespace", () => {
  assertEquals(splitSysctls(sysctls, { netns: "/net" }, [6, 1]), { ours: sysctls, theirs: {} });
});

Deno.test("splitSysctls() leaves to the pod's root what belongs to it, or means IDs", () => {
  assertEquals(splitSysctls(sysctls, { userns, netns: "/net" }, [5, 19]), {
    ours: { "net.ipv4.ip_forward": "1" },
    theirs: { "kernel.msgmax": "9", "net/ipv4/ping_group_range": "0 9" },
  });
  const theirs = (pod: Parameters<typeof splitSysctls>[1]) => Object.keys(splitSysctls(sysctls, pod, [5, 15]).theirs);
  assertEquals(theirs({ userns, netns: "/net" }), ["net/ipv4/ping_group_range"]);
  // It would change the node: left for the refusal.
  assertEquals(theirs({ userns }), []);
});
