/** What the cluster's registry serves besides the small images of every test node. */
import { pauseImage } from "../images/pause.ts";
import { programImage } from "../images/program.ts";
import type { TestNode } from "../support/node.ts";
import { exists } from "../support/tools.ts";
import type { ImageName } from "./check.ts";
import { programs } from "./options.ts";

/** Repository and tag by the name that checks use. */
const references: Record<ImageName, string> = {
  busybox: "test/busybox:1",
  busybox2: "test/busybox:2",
  configured: "test/configured:1",
  pause: "test/pause:1",
  agnhost: "test/agnhost:1",
  coredns: "test/coredns:1",
  "metrics-server": "test/metrics-server:1",
};

export const imageReference = (name: ImageName) => `registry.test/${references[name]}`;
/** The same by way of the registry that wants a name and a password. */
export const privateReference = (name: ImageName) => `127.0.0.1:${privateRegistry.port}/${references[name]}`;

export const privateRegistry = { port: 5001, user: "puller", password: "let-me-in" };
/** bcrypt of the password, as htpasswd files have it. */
const passwordHash = "$2b$04$5YWiJMnS4H0RwS6Wj41UQ.iukrGF7nhaHXl59BmaUjxtwtaA8LHve";

export interface Served {
  coredns: boolean;
  metricsServer: boolean;
  agnhost: boolean;
}

/** `addons`: those of DNS and metrics as well. */
export async function serveImages(node: TestNode, addons: boolean): Promise<Served> {
  await node.registry.add("test/pause", "1", await pauseImage());
  const served = { agnhost: false, coredns: false, "metrics-server": false };
  const wanted = addons ? ["agnhost", "coredns", "metrics-server"] as const : ["agnhost"] as const;
  for (const name of wanted) {
    const program = `${programs}/${name}`;
    served[name] = exists(program);
    if (served[name]) await node.registry.add(`test/${name}`, "1", await programImage(name, program));
  }
  return { agnhost: served.agnhost, coredns: served.coredns, metricsServer: served["metrics-server"] };
}

/** Configuration of a second registry on the same storage, that asks for a name and a password, and logs each request. */
export async function writePrivateRegistry(node: TestNode): Promise<string> {
  const dir = `${node.dir}/private-registry`;
  await Deno.mkdir(dir, { recursive: true });
  await Deno.writeTextFile(`${dir}/htpasswd`, `${privateRegistry.user}:${passwordHash}\n`);
  await Deno.writeTextFile(
    `${dir}/config.yml`,
    `version: 0.1
log: {level: warn}
storage: {filesystem: {rootdirectory: ${node.registry.storage.root}}, maintenance: {uploadpurging: {enabled: false}}}
http: {addr: "127.0.0.1:${privateRegistry.port}"}
auth: {htpasswd: {realm: private, path: ${dir}/htpasswd}}
`,
  );
  return `${dir}/config.yml`;
}
