/** Who is trusted and who gets in: TLS with authorities of its own, passwords, tokens, client certificates, auth files. */
import { assert, assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { removeCgroup } from "../support/cgroups.ts";
import { Instance, type InstanceOptions } from "../support/instance.ts";
import { assertRefused, type Workbench } from "../support/pods.ts";
import { Code } from "../support/client.ts";
import { suite } from "../support/suite.ts";
import { hosts, OUTSIDE, Registries } from "./registries.ts";
import { PASSWORD, REFRESH_TOKEN, USER } from "./servers.ts";

let registries: Registries;
const { test, daemon } = (() => {
  const made = suite({
    images: [],
    daemon: async (node) => (registries = await Registries.start(node)).options,
  });
  return { test: made.test, daemon: () => made.daemon as Instance };
})();

const APP = "test/busybox:1";
const LOGIN = { username: USER, password: PASSWORD };
const basic = btoa(String.fromCharCode(...new TextEncoder().encode(`${USER}:${PASSWORD}`)));

interface Asked {
  auth?: Record<string, string>;
  namespace?: string;
}

async function pull(bench: Workbench, host: string, { auth, namespace }: Asked = {}): Promise<string> {
  const { imageRef } = await bench.client.pullImage({
    image: { image: `${host}/${APP}` },
    auth,
    sandboxConfig: namespace === undefined ? undefined : { metadata: { name: "p", uid: "u", namespace } },
  });
  return imageRef;
}

function tell(name: string, body: (bench: Workbench) => Promise<void>): void {
  test(name, async (bench) => {
    await registries.clear();
    await body(bench);
  }, { skiffOnly: "it reads other files" });
}

tell("TLS: the authority in certs.d is trusted, for its host alone", async (bench) => {
  await pull(bench, hosts.tls);
  await pull(bench, hosts.ipv6);
  await Deno.remove(registries.file(`certs.d/${hosts.tls}`), { recursive: true });
  await assertRefused(
    pull(bench, hosts.tls),
    Code.FAILED_PRECONDITION,
    hosts.tls,
    "not trusted",
    `/etc/containers/certs.d/${hosts.tls}/ca.crt`,
  );
  await registries.trust(hosts.tls, "other-ca.pem");
  await assertRefused(pull(bench, hosts.tls), Code.FAILED_PRECONDITION, "not trusted");
  await pull(bench, hosts.ipv6);
});

tell(
  "TLS: insecure allows plain HTTP where nothing speaks TLS, and no certificate that cannot be checked",
  async (bench) => {
    await assertRefused(
      pull(bench, hosts.plain.replace("127.0.0.1", "localhost")),
      Code.FAILED_PRECONDITION,
      "does not speak TLS",
    );
    await registries.conf(
      `[[registry]]\nlocation = "localhost:5000"\ninsecure = true\n[[registry]]\nlocation = "${hosts.tls}"\ninsecure = true\n`,
    );
    await pull(bench, "localhost:5000");
    await pull(bench, hosts.tls);
    await Deno.remove(registries.file(`certs.d/${hosts.tls}`), { recursive: true });
    await assertRefused(pull(bench, hosts.tls), Code.FAILED_PRECONDITION, "not trusted", "never a certificate");
  },
);

tell("TLS: a registry that wants a client's certificate gets the one in certs.d", async (bench) => {
  // Under load the server is gone before its reason is read.
  await assertRefused(
    pull(bench, hosts.mutual),
    [Code.FAILED_PRECONDITION, Code.UNKNOWN],
    "client.cert and client.key",
    hosts.mutual,
  );
  await registries.showCertificate(hosts.mutual);
  await pull(bench, hosts.mutual);
});

tell("TLS: a broken file in certs.d is named", async (bench) => {
  const file = registries.file(`certs.d/${hosts.tls}/ca.crt`);
  await Deno.writeTextFile(file, "not PEM");
  await assertRefused(pull(bench, hosts.tls), Code.FAILED_PRECONDITION, file);
});

/** A second daemon beside the suite's own, for settings that hold from the start. */
async function withDaemon(
  bench: Workbench,
  options: InstanceOptions,
  use: (other: Instance) => Promise<void>,
): Promise<void> {
  await using other = new Instance(bench.node, { ...options, title: "other" });
  await other.start();
  try {
    await use(other);
  } finally {
    await other.stop();
    await removeCgroup(`/${bench.node.name}/${other.cgroup}`);
  }
}

for (const [variable, value] of [["SSL_CERT_FILE", "ca.pem"], ["SSL_CERT_DIR", "trusted"]] as const) {
  tell(`TLS: the node's own trust store counts, by ${variable}`, async (bench) => {
    await Deno.remove(registries.file(`certs.d`), { recursive: true });
    await Deno.mkdir(registries.file("trusted"), { recursive: true });
    await Deno.copyFile(registries.file("ca.pem"), registries.file("trusted/0a0b0c0d.0"));
    await assertRefused(pull(bench, hosts.tls), Code.FAILED_PRECONDITION, "not trusted");
    const env = { [variable]: registries.file(value) };
    await withDaemon(bench, { ...registries.options, env }, async (other) => {
      await other.client.pullImage({ image: { image: `${hosts.tls}/${APP}` } });
    });
  });
}

tell(
  "login: htpasswd takes a password in each of its forms, and refuses a wrong one without showing it",
  async (bench) => {
    const forms: Record<string, string>[] = [
      LOGIN,
      { auth: basic },
      { auth: btoa(atob(basic) + "\0\0") },
      { ...LOGIN, serverAddress: `https://${hosts.htpasswd}/v2/` },
    ];
    for (const auth of forms) await pull(bench, hosts.htpasswd, { auth });
    const refused = [undefined, { ...LOGIN, serverAddress: "elsewhere.test" }, { username: USER, password: "s3cret" }];
    for (const auth of refused) {
      await assertRefused(
        pull(bench, hosts.htpasswd, { auth }),
        Code.UNAUTHENTICATED,
        hosts.htpasswd,
        "401",
        "pull secret",
      );
    }
    await assertRefused(
      pull(bench, hosts.htpasswd, { auth: { auth: "s3cret" } }),
      Code.INVALID_ARGUMENT,
      "user:password",
    );
    assert(!/s3cret|w%C3|wörd/.test(daemon().log()), "a password is in the log");
  },
);

tell("login: a token is asked for with the scope of the pull, by password and by identity token", async (bench) => {
  await pull(bench, hosts.token, { auth: LOGIN });
  const [byPassword] = await registries.seen();
  assertEquals([byPassword.method, byPassword.authorization], ["GET", `Basic ${basic}`]);
  assert(byPassword.query.includes("scope=repository%3Atest%2Fbusybox%3Apull"), byPassword.query);
  await pull(bench, hosts.token, { auth: { identityToken: REFRESH_TOKEN } });
  const [byToken] = await registries.seen();
  assertEquals([byToken.method, byToken.authorization], ["POST", null]);
  await assertRefused(pull(bench, hosts.token), Code.UNAUTHENTICATED, "401", "who are you?");
  await assertRefused(pull(bench, hosts.token, { auth: { identityToken: "wrong" } }), Code.UNAUTHENTICATED);
});

tell("login: a registry token is shown as it is", async (bench) => {
  const scope = `service=registry%20of%20the%20tests&scope=repository:test/busybox:pull`;
  const script =
    `const r = await fetch("https://127.0.0.1:5200/token?${scope}", { headers: { authorization: "Basic ${basic}" }, ` +
    `client: Deno.createHttpClient({ caCerts: [Deno.readTextFileSync("${registries.file("ca.pem")}")] }) }); ` +
    "console.log((await r.json()).token)";
  const registryToken = (await bench.node.holder.run(Deno.execPath(), "eval", "--quiet", "--no-config", script)).trim();
  await registries.seen();
  await pull(bench, hosts.token, { auth: { registryToken } });
  assertEquals(await registries.seen(), []);
  await assertRefused(pull(bench, hosts.token, { auth: { registryToken: "x" } }), Code.UNAUTHENTICATED);
});

tell("auth files: a pull without credentials takes those of the longest part of its name", async (bench) => {
  await registries.auth({ auths: { [hosts.htpasswd]: { username: USER, password: "wrong" } } });
  await assertRefused(pull(bench, hosts.htpasswd), Code.UNAUTHENTICATED);
  await registries.auth({
    auths: { [hosts.htpasswd]: { username: USER, password: "wrong" }, [`${hosts.htpasswd}/test`]: { auth: basic } },
  });
  await pull(bench, hosts.htpasswd);
  await registries.auth({ auths: { [hosts.token]: { identitytoken: REFRESH_TOKEN } } });
  await pull(bench, hosts.token);
});

tell("auth files: a docker-credential program is asked, and named when it fails", async (bench) => {
  await registries.auth({ credHelpers: { [hosts.htpasswd]: "tests" } });
  await assertRefused(
    pull(bench, hosts.htpasswd),
    Code.FAILED_PRECONDITION,
    "docker-credential-tests",
    registries.file("bin"),
  );
  const program = registries.file("bin/docker-credential-tests");
  const answer = JSON.stringify({ ServerURL: "", Username: USER, Secret: PASSWORD });
  await Deno.writeTextFile(
    program,
    `#!/bin/sh\nread -r host || true; [ "$host" = ${hosts.htpasswd} ] && echo '${answer}'\n`,
  );
  await Deno.chmod(program, 0o755);
  await pull(bench, hosts.htpasswd);
});

tell("auth files: what a credential provider leaves for a namespace is used once, by it alone", async (bench) => {
  const name = `${hosts.htpasswd}/test/busybox`;
  const file = registries.file(`namespaced/team-${createHash("sha256").update(name).digest("hex")}.json`);
  await Deno.writeTextFile(file, JSON.stringify({ auths: { [hosts.htpasswd]: { auth: basic } } }));
  await assertRefused(pull(bench, hosts.htpasswd, { namespace: "other" }), Code.UNAUTHENTICATED);
  await pull(bench, hosts.htpasswd, { namespace: "team" });
  await assertRefused(pull(bench, hosts.htpasswd, { namespace: "team" }), Code.UNAUTHENTICATED);
});

tell("proxies: what is not on the node is reached through the proxy, with TLS from end to end", async (bench) => {
  for (
    const [title, config, env] of [
      ["proxy-config", { proxy: { https: "http://127.0.0.1:5205" } }, {}],
      ["proxy-environment", {}, { HTTPS_PROXY: "http://127.0.0.1:5205" }],
      ["no-proxy", { proxy: { https: "http://127.0.0.1:5205", noProxy: [`${OUTSIDE}/32`] } }, {}],
    ] as const
  ) {
    const images = { ...registries.options.config!.images, ...config } as never;
    await withDaemon(bench, { config: { images }, env }, async (other) => {
      await registries.seen();
      for (const host of [hosts.outside, hosts.tls]) {
        await other.client.pullImage({ image: { image: `${host}/${APP}` } });
      }
    });
    const tunnels = (await registries.seen()).map(({ server }) => server);
    assertEquals(tunnels, title === "no-proxy" ? [] : ["proxy"], title);
  }
});
