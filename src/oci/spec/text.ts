/** Characters that would start a new line or field in a file that others parse by lines: /etc/passwd, /etc/hosts, sysctls. */
// deno-lint-ignore no-control-regex -- control characters are what this is about
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;

export function hasControlCharacter(text: string): boolean {
  return CONTROL.test(text);
}

/** True for text that cannot be one field of /etc/passwd: control characters (NEL included) or a colon. */
export function breaksAccountLine(text: string): boolean {
  return hasControlCharacter(text) || text.includes(":");
}

export function byteLength(text: string): number {
  return encoder.encode(text).length;
}

const encoder = new TextEncoder();
