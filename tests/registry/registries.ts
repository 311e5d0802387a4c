/** Registries with TLS, passwords, tokens and client certificates in a test node, and the files that tell a daemon of them. */
import { run, waitUntil } from "../support/command.ts";
import type { InstanceOptions } from "../support/instance.ts";
import type { TestNode } from "../support/node.ts";
import { tools } from "../support/tools.ts";
import { ISSUER, type Seen, SERVICE, type Setup } from "./servers.ts";

/** An address of the node that is not loopback: what is there is reached through a proxy, if there is one. */
export const OUTSIDE = "192.0.2.10";

const PORTS: Setup["ports"] = {
  token: 5200,
  flaky: 5201,
  elsewhere: 5202,
  secureElsewhere: 5203,
  redirecting: 5204,
  proxy: 5205,
};

export const hosts = {
  tls: "127.0.0.1:5100",
  htpasswd: "127.0.0.1:5101",
  token: "127.0.0.1:5102",
  mutual: "127.0.0.1:5103",
  ipv6: "[::1]:5104",
  outside: `${OUTSIDE}:5105`,
  /** In clear text. */
  plain: "127.0.0.1:5000",
  /** Nothing listens. */
  down: "127.0.0.1:5999",
  flaky: `127.0.0.1:${PORTS.flaky}`,
  redirecting: `127.0.0.1:${PORTS.redirecting}`,
};

/** bcrypt of {@link PASSWORD} with the lowest cost. */
const HTPASSWD = "robot:$2b$04$abcdefghijklmnopqrstuuWXKr2BvN6MFBGmbO8G1GNLW0JIJkxnC\n";

export class Registries {
  #seen = 0;
  private constructor(readonly node: TestNode, readonly dir: string) {}

  static async start(node: TestNode): Promise<Registries> {
    const registries = new Registries(node, `${node.dir}/registries`);
    await Deno.mkdir(`${registries.dir}/bin`, { recursive: true });
    await node.holder.run("ip", "address", "add", `${OUTSIDE}/32`, "dev", "lo");
    await Deno.writeTextFile(registries.file("seen.log"), "");
    await registries.#makeCertificates();
    await registries.#startRegistries();
    await registries.#startServers();
    await registries.clear();
    return registries;
  }

  /** What a daemon must know to find the files. */
  get options(): InstanceOptions {
    const hostsOfTheirOwn = Object.fromEntries([hosts.flaky].map((host) => [host, { plainHttp: true }]));
    return {
      config: {
        images: {
          registries: hostsOfTheirOwn,
          registriesConf: this.file("registries.conf"),
          certsDirs: [this.file("certs.d")],
          authFiles: [this.file("auth.json")],
          namespacedAuthDir: this.file("namespaced"),
          credentialHelperDirs: [this.file("bin")],
          stallTimeoutSeconds: 2,
        },
      },
    };
  }

  file(name: string): string {
    return `${this.dir}/${name}`;
  }

  /** Takes all files away but the authority's certificate for the hosts that speak TLS, and forgets what was seen. */
  async clear(): Promise<void> {
    for (const name of ["registries.conf", "registries.conf.d", "auth.json", "certs.d", "namespaced"]) {
      await Deno.remove(this.file(name), { recursive: true }).catch(() => {});
    }
    await Deno.mkdir(this.file("namespaced"));
    for (const host of [hosts.tls, hosts.htpasswd, hosts.token, hosts.mutual, hosts.ipv6, hosts.outside]) {
      await this.trust(host);
    }
    await this.trust(hosts.redirecting);
    await this.seen();
  }

  async trust(host: string, authority = "ca.pem"): Promise<void> {
    await Deno.mkdir(this.file(`certs.d/${host}`), { recursive: true });
    await Deno.copyFile(this.file(authority), this.file(`certs.d/${host}/ca.crt`));
  }

  async showCertificate(host: string): Promise<void> {
    await Deno.copyFile(this.file("client.pem"), this.file(`certs.d/${host}/client.cert`));
    await Deno.copyFile(this.file("client.key"), this.file(`certs.d/${host}/client.key`));
  }

  async conf(text: string): Promise<void> {
    await Deno.writeTextFile(this.file("registries.conf"), text);
  }

  async auth(document: unknown): Promise<void> {
    await Deno.writeTextFile(this.file("auth.json"), JSON.stringify(document));
  }

  /** What the servers saw since the last question. */
  async seen(): Promise<Seen[]> {
    const lines = (await Deno.readTextFile(this.file("seen.log"))).split("\n").filter((line) => line !== "");
    const fresh = lines.slice(this.#seen).map((line) => JSON.parse(line) as Seen);
    this.#seen = lines.length;
    return fresh;
  }

  async #makeCertificates(): Promise<void> {
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    const selfSigned = (name: string, subject: string) =>
      run("openssl", [
        ...["req", "-x509", ...key, "-days", "2", "-subj", `/CN=${subject}`],
        ...["-keyout", this.file(`${name}.key`), "-out", this.file(`${name}.pem`)],
      ]);
    const signed = async (name: string, extensions: string) => {
      await Deno.writeTextFile(this.file(`${name}.ext`), extensions);
      const files = ["-keyout", this.file(`${name}.key`), "-out", this.file(`${name}.csr`)];
      await run("openssl", ["req", ...key, "-subj", `/CN=${name}`, ...files]);
      await run("openssl", [
        ...["x509", "-req", "-days", "2", "-CAcreateserial", "-extfile", this.file(`${name}.ext`)],
        ...["-CA", this.file("ca.pem"), "-CAkey", this.file("ca.key")],
        ...["-in", this.file(`${name}.csr`), "-out", this.file(`${name}.pem`)],
      ]);
    };
    await selfSigned("ca", "authority of the tests");
    await selfSigned("other-ca", "another authority");
    await selfSigned("signing", "token signer");
    await signed("server", `subjectAltName=IP:127.0.0.1,IP:::1,IP:${OUTSIDE},DNS:localhost\n`);
    await signed("client", "extendedKeyUsage=clientAuth\n");
  }

  async #startRegistries(): Promise<void> {
    const tls = { certificate: this.file("server.pem"), key: this.file("server.key") };
    await Deno.writeTextFile(this.file("htpasswd"), HTPASSWD);
    const htpasswd = { htpasswd: { realm: "tests", path: this.file("htpasswd") } };
    const token = {
      token: {
        realm: `https://127.0.0.1:${PORTS.token}/token`,
        service: SERVICE,
        issuer: ISSUER,
        rootcertbundle: this.file("signing.pem"),
      },
    };
    const mutual = { ...tls, clientcas: [this.file("ca.pem")] };
    await Promise.all([
      this.#registry("tls", { tls }),
      this.#registry("htpasswd", { tls, auth: htpasswd }),
      this.#registry("token", { tls, auth: token }),
      this.#registry("mutual", { tls: mutual }),
      this.#registry("ipv6", { tls }),
      this.#registry("outside", { tls }),
    ]);
  }

  /** JSON is YAML. All of them serve what the node's own registry has. */
  async #registry(name: keyof typeof hosts, { tls, auth }: { tls: unknown; auth?: unknown }): Promise<void> {
    const config = {
      version: 0.1,
      log: { level: "warn", accesslog: { disabled: true } },
      storage: {
        filesystem: { rootdirectory: this.node.registry.storage.root },
        maintenance: { uploadpurging: { enabled: false }, readonly: { enabled: true } },
      },
      http: { addr: hosts[name], tls },
      ...(auth ? { auth } : {}),
    };
    await Deno.writeTextFile(this.file(`${name}.yml`), JSON.stringify(config));
    this.node.holder.spawn(tools.registry, ["serve", this.file(`${name}.yml`)], {
      cgroup: "registry",
      log: this.file(`${name}.log`),
    });
    await this.#listens(hosts[name]);
  }

  async #startServers(): Promise<void> {
    const setup: Setup = {
      upstream: `http://${hosts.plain}`,
      log: this.file("seen.log"),
      certificate: this.file("server.pem"),
      key: this.file("server.key"),
      signingCertificate: this.file("signing.pem"),
      signingKey: this.file("signing.key"),
      ports: PORTS,
    };
    await Deno.writeTextFile(this.file("setup.json"), JSON.stringify(setup));
    const program = new URL("servers.ts", import.meta.url).pathname;
    const args = ["run", "--quiet", "--no-config", "--no-check", "-A", program, this.file("setup.json")];
    this.node.holder.spawn(Deno.execPath(), args, { cgroup: "registry", log: this.file("servers.log") });
    for (const port of Object.values(PORTS)) await this.#listens(`127.0.0.1:${port}`);
  }

  async #listens(host: string): Promise<void> {
    const port = Number(host.slice(host.lastIndexOf(":") + 1)).toString(16).toUpperCase().padStart(4, "0");
    const listening = new RegExp(`^ *\\d+: [0-9A-F]+:${port} [0-9A-F]+:0000 0A `, "m");
    const tables = ["tcp", "tcp6"].map((name) => `/proc/${this.node.holder.pid}/net/${name}`);
    await waitUntil(
      `something listens at ${host}`,
      () => tables.some((table) => listening.test(Deno.readTextFileSync(table))),
      20_000,
    );
  }
}
