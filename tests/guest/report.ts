/** Reads the report that `deno test --junit-path` writes. */

export interface Result {
  name: string;
  /** Empty when it passed. */
  failure: string;
  seconds: number;
}

export function readReport(xml: string): Result[] {
  return [...xml.matchAll(/<testcase name="([^"]*)"[^>]*? time="([\d.]+)"[^>]*?(?:\/>|>([\s\S]*?)<\/testcase>)/g)].map(
    ([, name, time, body = ""]) => ({
      name: unescape(name),
      failure: unescape(
        /<failure[^>]*>([\s\S]*?)<\/failure>/.exec(body)?.[1] ?? (/<(failure|error)\b/.exec(body) ? body : ""),
      ),
      seconds: Number(time),
    }),
  );
}

const ENTITIES: Record<string, string> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };

const unescape = (text: string) => text.replaceAll(/&(lt|gt|quot|apos|amp);/g, (_, name) => ENTITIES[name]);
