/** All that runtimes and monitors find in their environment; nothing of the daemon's own. */
export const RUNTIME_ENV: Readonly<Record<string, string>> = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
};
