/** One way to log in that a server offers (RFC 9110, section 11.6.1). */
export interface Challenge {
  /** Lower case. */
  scheme: string;
  /** Names in lower case. */
  parameters: Record<string, string>;
}

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+/;
const PARAMETER = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([!#$%&'*+.^_`|~0-9A-Za-z/:-]+))/;

/** A WWW-Authenticate value may hold several challenges, separated by the same commas as their parameters. */
export function parseChallenges(header: string): Challenge[] {
  const challenges: Challenge[] = [];
  let rest = header.slice(0, 16_384);
  for (;;) {
    rest = rest.replace(/^[\s,]+/, "");
    const parameter = PARAMETER.exec(rest);
    if (parameter && challenges.length > 0) {
      const value = parameter[2]?.replace(/\\(.)/g, "$1") ?? parameter[3];
      challenges[challenges.length - 1].parameters[parameter[1].toLowerCase()] = value;
      rest = rest.slice(parameter[0].length);
      continue;
    }
    const scheme = TOKEN.exec(rest);
    if (!scheme) return challenges;
    challenges.push({ scheme: scheme[0].toLowerCase(), parameters: {} });
    rest = rest.slice(scheme[0].length);
  }
}
