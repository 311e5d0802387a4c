import { assertEquals, assertThrows } from "@std/assert";
import { parseSysctl } from "../../../src/network/mod.ts";
import { RpcError } from "../../../src/rpc/status.ts";

Deno.test("parseSysctl() finds the file and the namespace", () => {
  const cases: [string, string, string][] = [
    ["net.ipv4.ip_forward", "/proc/sys/net/ipv4/ip_forward", "net"],
    ["net/ipv4/conf/eth0.100/forwarding", "/proc/sys/net/ipv4/conf/eth0.100/forwarding", "net"],
    ["net.ipv4.conf.eth0/100.forwarding", "/proc/sys/net/ipv4/conf/eth0.100/forwarding", "net"],
    ["kernel.shm_rmid_forced", "/proc/sys/kernel/shm_rmid_forced", "ipc"],
    ["kernel.msgmax", "/proc/sys/kernel/msgmax", "ipc"],
    ["kernel/sem", "/proc/sys/kernel/sem", "ipc"],
    ["fs.mqueue.msg_max", "/proc/sys/fs/mqueue/msg_max", "ipc"],
  ];
  for (const [name, path, namespace] of cases) {
    assertEquals(parseSysctl(name, "1"), { name, path, value: "1", namespace: namespace as "net" });
  }
});

Deno.test("parseSysctl() refuses what is the node's", () => {
  const names = ["kernel.hostname", "kernel.core_pattern", "vm.overcommit_memory", "fs.file-max", "kernel.semx"];
  for (const name of [...names, "kernel.shm.x", "fs.mqueue", "fs.mqueue.a.b", "user.max_user_namespaces"]) {
    assertThrows(() => parseSysctl(name, "1"), RpcError, "the node's");
  }
});

Deno.test("parseSysctl() refuses names that leave /proc/sys or are none", () => {
  const names = ["", "net", "net.", ".net", "net..ipv4", "net/../kernel/core_pattern", "net/./x", "/net/x", "net.x\n"];
  for (
    const name of [...names, "net.ipv4.//x/../y", "net.a b", "net.x\0", "net/ipv4/..", "net.ipv4./.", "net.ipv4.//"]
  ) {
    assertThrows(() => parseSysctl(name, "1"), RpcError, "it is not a sysctl name");
  }
});

Deno.test("parseSysctl() takes values with blanks and tabs and refuses lines", () => {
  assertEquals(parseSysctl("kernel.sem", "250\t32000 32 128").value, "250\t32000 32 128");
  for (const value of ["1\n2", "1\0", "x".repeat(5000)]) {
    assertThrows(() => parseSysctl("kernel.sem", value), RpcError, "its value");
  }
});
