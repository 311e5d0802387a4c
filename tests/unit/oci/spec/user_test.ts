import { assertEquals, assertThrows } from "@std/assert";
import { SupplementalGroupsPolicy } from "../../../../proto/gen/runtime/v1/api.ts";
import { Code, RpcError } from "../../../../src/rpc/status.ts";
import { ACCOUNT_FILE_LIMIT } from "../../../../src/oci/spec/accounts.ts";
import { newSection } from "../../../../src/oci/spec/section.ts";
import { type Account, resolveUser } from "../../../../src/oci/spec/user.ts";
import { kernel, S_IFIFO } from "../../../../src/sys/mod.ts";
import { means, request, type RequestChanges, withFolder } from "../support/requests.ts";

const PASSWD = `root:x:0:0:root:/root:/bin/sh
# comment
app:x:1000:1000::/home/app:/bin/sh
1001:x:0:0::/root:/bin/sh
0x0:x:0:0::/root:/bin/sh
huge:x:4294967296:0::/:/bin/sh
colonless
`;
const GROUP = `root:x:0:
app:x:1000:
video:x:44:app,other
big:x:50000:app
`;

function resolve(rootfs: string, changes: RequestChanges): Account {
  return resolveUser(newSection(request(rootfs, changes), means));
}

async function withAccounts(use: (rootfs: string) => void): Promise<void> {
  await withFolder((rootfs) => {
    Deno.mkdirSync(`${rootfs}/etc`);
    Deno.writeTextFileSync(`${rootfs}/etc/passwd`, PASSWD);
    Deno.writeTextFileSync(`${rootfs}/etc/group`, GROUP);
    use(rootfs);
  });
}

const table: [string, RequestChanges, Account][] = [
  ["takes root where nothing is said", {}, { uid: 0, gid: 0, additionalGids: [0], home: "/root" }],
  ["looks up USER of the image by name", { image: { user: "app" } }, {
    uid: 1000,
    gid: 1000,
    additionalGids: [1000, 44, 50000],
    home: "/home/app",
  }],
  ["looks up USER name:group of the image", { image: { user: "app:video" } }, {
    uid: 1000,
    gid: 44,
    additionalGids: [44, 50000],
    home: "/home/app",
  }],
  ["takes USER number:number of the image", { image: { user: "7:8" } }, {
    uid: 7,
    gid: 8,
    additionalGids: [8],
    home: "/",
  }],
  ["finds the group of a number in passwd", { security: { runAsUser: { value: 1000n } } }, {
    uid: 1000,
    gid: 1000,
    additionalGids: [1000, 44, 50000],
    home: "/home/app",
  }],
  ["gives group 0 to an unknown number", { security: { runAsUser: { value: 77n } } }, {
    uid: 77,
    gid: 0,
    additionalGids: [0],
    home: "/",
  }],
  [
    "prefers the request to the image",
    { image: { user: "root:root" }, security: { runAsUsername: "app", runAsGroup: { value: 5n } } },
    { uid: 1000, gid: 5, additionalGids: [5, 44, 50000], home: "/home/app" },
  ],
  ["takes the largest ID", { image: { user: "2147483647" } }, {
    uid: 2147483647,
    gid: 0,
    additionalGids: [0],
    home: "/",
  }],
];

for (const [name, changes, expected] of table) {
  Deno.test(`resolveUser() ${name}`, () => withAccounts((rootfs) => assertEquals(resolve(rootfs, changes), expected)));
}

const refused: [string, RequestChanges, RegExp][] = [
  ["CVE-2024-40635: USER 4294967296", { image: { user: "4294967296" } }, /not a decimal number/],
  ["CVE-2024-40635: USER 4294967295:1", { image: { user: "4294967295:1" } }, /not a decimal number/],
  ["CVE-2026-46680: USER 0x0 although passwd has such a name", { image: { user: "0x0" } }, /not a decimal number/],
  ["USER 2147483648", { image: { user: "2147483648" } }, /not a decimal number/],
  ["USER -1", { image: { user: "-1" } }, /not a decimal number/],
  ["USER 1e3", { image: { user: "1e3" } }, /not a decimal number/],
  ["USER app:4294967296", { image: { user: "app:4294967296" } }, /not a decimal number/],
  ["a uid in passwd that is out of range", { image: { user: "huge" } }, /uid of "huge"/],
  ["a name that the image does not know", { image: { user: "nobody" } }, /no user "nobody"/],
  ["a group that the image does not know", { image: { user: "app:nobody" } }, /no group "nobody"/],
  ["USER with an empty part", { image: { user: ":0" } }, /neither "user" nor "user:group"/],
  ["USER with three parts", { image: { user: "0:0:0" } }, /neither "user" nor "user:group"/],
  ["run_as_group without a user", { security: { runAsGroup: { value: 1n } } }, /needs run_as_user/],
  [
    "run_as_user together with run_as_username",
    { security: { runAsUser: { value: 1n }, runAsUsername: "app" } },
    /only one/,
  ],
  ["run_as_user below zero", { security: { runAsUser: { value: -1n } } }, /not a decimal number/],
  ["run_as_username with a newline (CVE-2022-4318)", { security: { runAsUsername: "app\nroot" } }, /control character/],
  ["run_as_username with NEL (CVE-2026-15809)", { security: { runAsUsername: "app\u0085" } }, /control character/],
  ["a supplemental group out of range", { security: { supplementalGroups: [4294967296n] } }, /supplemental_groups/],
];

for (const [name, changes, message] of refused) {
  Deno.test(`resolveUser() refuses ${name}`, () =>
    withAccounts((rootfs) => {
      const error = assertThrows(() => resolve(rootfs, changes), RpcError);
      assertEquals([error.code, message.test(error.message)], [Code.INVALID_ARGUMENT, true], error.message);
    }));
}

Deno.test("resolveUser() never takes a number for a name: a line 1001:x:0:0 does not make 1001 root", () =>
  withAccounts((rootfs) => assertEquals(resolve(rootfs, { image: { user: "1001" } }).uid, 1001)));

Deno.test("resolveUser() CVE-2022-2995: merged groups hold the primary group, the image's and the request's", () =>
  withAccounts((rootfs) => {
    const { additionalGids } = resolve(rootfs, {
      security: { runAsUser: { value: 1000n }, supplementalGroups: [1234n, 44n] },
    });
    assertEquals(additionalGids, [1000, 44, 50000, 1234]);
  }));

Deno.test("resolveUser() CVE-2022-2995: strict groups hold the primary group and the request's only", () =>
  withAccounts((rootfs) => {
    const security = {
      runAsUser: { value: 1000n },
      supplementalGroups: [1234n],
      supplementalGroupsPolicy: SupplementalGroupsPolicy.Strict,
    };
    assertEquals(resolve(rootfs, { security }).additionalGids, [1000, 1234]);
  }));

for (const home of ["/a\rb", "/a\u0000b", "/a\u0085b"]) {
  Deno.test(`resolveUser() refuses a home directory ${JSON.stringify(home)} in passwd (CVE-2026-15809)`, () =>
    withFolder((rootfs) => {
      Deno.mkdirSync(`${rootfs}/etc`);
      Deno.writeTextFileSync(`${rootfs}/etc/passwd`, `app:x:5:5::${home}:/bin/sh\n`);
      assertThrows(() => resolve(rootfs, { image: { user: "app" } }), RpcError, "home directory");
    }));
}

Deno.test("resolveUser() CVE-2025-4437: a passwd of 8 GiB is refused without being read", () =>
  withFolder((rootfs) => {
    Deno.mkdirSync(`${rootfs}/etc`);
    Deno.writeTextFileSync(`${rootfs}/etc/passwd`, "root:x:0:0::/:/bin/sh\n");
    Deno.truncateSync(`${rootfs}/etc/passwd`, 8 * 2 ** 30);
    assertThrows(() => resolve(rootfs, {}), RpcError, `at most ${ACCOUNT_FILE_LIMIT}`);
  }));

Deno.test("resolveUser() CVE-2024-9676: a passwd that is a symlink is looked up inside the image only", () =>
  withFolder((folder) => {
    const rootfs = `${folder}/rootfs`;
    Deno.mkdirSync(`${rootfs}/etc`, { recursive: true });
    Deno.writeTextFileSync(`${folder}/outside`, "evil:x:6:6::/:/bin/sh\n");
    Deno.writeTextFileSync(`${rootfs}/accounts`, "good:x:5:5::/:/bin/sh\n");
    Deno.symlinkSync("../../outside", `${rootfs}/etc/passwd`);
    assertThrows(() => resolve(rootfs, { image: { user: "evil" } }), RpcError, 'no user "evil"');
    Deno.removeSync(`${rootfs}/etc/passwd`);
    Deno.symlinkSync("/accounts", `${rootfs}/etc/passwd`);
    assertEquals(resolve(rootfs, { image: { user: "good" } }).uid, 5);
  }));

Deno.test("resolveUser() refuses a passwd that is a fifo and does not wait for it", () =>
  withFolder((rootfs) => {
    Deno.mkdirSync(`${rootfs}/etc`);
    kernel.mkfifo(`${rootfs}/etc/passwd`, S_IFIFO | 0o644);
    assertThrows(() => resolve(rootfs, {}), RpcError, "not a regular file");
  }));
