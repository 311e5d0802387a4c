const KINDS = ["run", "ffi", "env", "sys", "read", "write", "net", "import"] as const;

/**
 * Gives up every permission of this process for good. What is open already (descriptors 0 to 2, files opened before) stays
 * usable, and so would a libc that was loaded: nothing that reads strangers' bytes may have loaded one.
 * @throws when anything is still allowed afterwards.
 */
export function enterSandbox(kept: readonly (typeof KINDS)[number][] = []): void {
  for (const name of KINDS) {
    if (kept.includes(name)) continue;
    const descriptor = { name } as Deno.PermissionDescriptor;
    Deno.permissions.revokeSync(descriptor);
    const { state } = Deno.permissions.querySync(descriptor);
    if (state === "granted") throw new Error(`the permission ${name} could not be given up`);
  }
}
