/** What a pod is called, and whom it knows by name. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import type { Check } from "../check.ts";
import { outputOf } from "../output.ts";

export const checks: Check[] = [
  {
    name: "a pod's host name is its own, or the one of its spec",
    item: "hostname",
    async run(context) {
      const text = "hostname; cat /proc/sys/kernel/hostname /etc/hostname; echo $HOSTNAME";
      assertEquals(await outputOf(context, text, { name: "by-name" }), Array(4).fill("by-name").join("\n"));
      const given = await outputOf(context, text, { name: "by-spec", spec: { hostname: "given" } });
      assertEquals(given, Array(4).fill("given").join("\n"));
    },
  },
  {
    name: "hostname and subdomain make a full name, which setHostnameAsFQDN uses",
    item: "subdomain, setHostnameAsFQDN",
    async run(context) {
      const names = { hostname: "h", subdomain: "s" };
      const full = `h.s.${context.namespace}.svc.cluster.local`;
      const text = "hostname; grep -w $POD_IP /etc/hosts | tr '\\t' ' '; echo $POD_IP";
      const env = [{ name: "POD_IP", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } }];
      const [short, hosts, ip] = (await outputOf(context, text, { name: "short", spec: names, container: { env } }))
        .split("\n");
      assertEquals([short, hosts], ["h", `${ip} ${full} h`]);
      const [long] = (await outputOf(context, text, {
        name: "long",
        spec: { ...names, setHostnameAsFQDN: true },
        container: { env },
      })).split("\n");
      assertEquals(long, full);
    },
  },
  {
    name: "hostnameOverride is the host name as it is",
    item: "hostname",
    async run(context) {
      const spec = { hostnameOverride: "any.name.at.all" };
      assertEquals(await outputOf(context, "hostname", { name: "overridden", spec }), "any.name.at.all");
    },
  },
  {
    name: "hostAliases are in /etc/hosts",
    item: "hostAliases",
    async run(context) {
      const hostAliases = [{ ip: "192.0.2.7", hostnames: ["seven.example", "seven"] }];
      const hosts = (await outputOf(context, "cat /etc/hosts; ping -c1 -W1 seven | head -1", { spec: { hostAliases } }))
        .replaceAll("\t", " ");
      assertStringIncludes(hosts, "127.0.0.1 localhost");
      assertStringIncludes(hosts, "192.0.2.7 seven.example seven");
      assertStringIncludes(hosts, "PING seven (192.0.2.7)");
    },
  },
  {
    name: "dnsConfig is the pod's whole resolv.conf with dnsPolicy None, and added to it otherwise",
    item: "dnsConfig",
    async run(context) {
      const dnsConfig = {
        nameservers: ["192.0.2.53"],
        searches: ["one.example", "two.example"],
        options: [{ name: "ndots", value: "3" }, { name: "edns0" }],
      };
      const lines = async (name: string, dnsPolicy: string) =>
        (await outputOf(context, "cat /etc/resolv.conf", { name, spec: { dnsPolicy, dnsConfig } })).split("\n");
      assertEquals((await lines("alone", "None")).sort(), [
        "nameserver 192.0.2.53",
        "options ndots:3 edns0",
        "search one.example two.example",
      ]);
      const first = await lines("added", "ClusterFirst");
      const search = first.find((line) => line.startsWith("search "))!;
      assertStringIncludes(search, `${context.namespace}.svc.cluster.local`);
      assertStringIncludes(search, "two.example");
      assertStringIncludes(first.join("\n"), "nameserver 192.0.2.53");
    },
  },
];
