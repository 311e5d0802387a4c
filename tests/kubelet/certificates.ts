/** The cluster's certificates: one authority, a certificate for each program, made by openssl. */
import { run } from "../support/command.ts";
import { addresses } from "./options.ts";

interface Subject {
  name: string;
  commonName: string;
  organization?: string;
  /** Names and addresses it serves under. */
  alternatives?: string[];
}

function subjects(node: string): Subject[] {
  return [
    {
      name: "apiserver",
      commonName: "kube-apiserver",
      alternatives: [
        "DNS:kubernetes",
        "DNS:kubernetes.default",
        "DNS:kubernetes.default.svc",
        "DNS:kubernetes.default.svc.cluster.local",
        "DNS:localhost",
        "IP:127.0.0.1",
        `IP:${addresses.node}`,
        `IP:${addresses.apiService}`,
      ],
    },
    { name: "kubelet-server", commonName: node, alternatives: [`DNS:${node}`, `IP:${addresses.node}`] },
    { name: "admin", commonName: "admin", organization: "system:masters" },
    { name: "kubelet", commonName: `system:node:${node}`, organization: "system:nodes" },
    { name: "controller-manager", commonName: "system:kube-controller-manager" },
    { name: "scheduler", commonName: "system:kube-scheduler" },
    { name: "proxy", commonName: "system:kube-proxy" },
    { name: "front-proxy", commonName: "front-proxy-client" },
  ];
}

const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

/** Writes ca.crt and ca.key, NAME.crt and NAME.key, and the key that signs the tokens of service accounts. */
export async function writeCertificates(dir: string, node: string): Promise<void> {
  await Deno.mkdir(dir, { recursive: true });
  const at = (file: string) => `${dir}/${file}`;
  await run("openssl", ["genrsa", "-out", at("service-accounts.key"), "2048"]);
  await run("openssl", [
    ...["req", "-x509", ...curve, "-days", "3650", "-subj", "/CN=cluster"],
    ...["-keyout", at("ca.key"), "-out", at("ca.crt")],
  ]);
  for (const { name, commonName, organization, alternatives } of subjects(node)) {
    const subject = `${organization ? `/O=${organization}` : ""}/CN=${commonName}`;
    await run("openssl", [
      "req",
      "-new",
      ...curve,
      "-subj",
      subject,
      "-keyout",
      at(`${name}.key`),
      "-out",
      at("request"),
    ]);
    const extensions = [
      "basicConstraints=CA:FALSE",
      "extendedKeyUsage=clientAuth,serverAuth",
      ...(alternatives ? [`subjectAltName=${alternatives.join(",")}`] : []),
    ];
    await Deno.writeTextFile(at("extensions"), extensions.join("\n"));
    await run("openssl", [
      ...["x509", "-req", "-days", "3650", "-CA", at("ca.crt"), "-CAkey", at("ca.key"), "-CAcreateserial"],
      ...["-in", at("request"), "-extfile", at("extensions"), "-out", at(`${name}.crt`)],
    ]);
  }
}

/** A kubeconfig for one of the programs, by paths to its certificate. */
export function kubeconfig(dir: string, name: string): string {
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{
      name: "cluster",
      cluster: { server: `https://${addresses.node}:6443`, "certificate-authority": `${dir}/ca.crt` },
    }],
    users: [{ name, user: { "client-certificate": `${dir}/${name}.crt`, "client-key": `${dir}/${name}.key` } }],
    contexts: [{ name: "default", context: { cluster: "cluster", user: name } }],
    "current-context": "default",
  });
}
