/** Where the parts of a registries.conf are, for messages: the parser keeps no places. */
export class TomlLines {
  /** Line of each [[registry]] with its keys, and below it each [[registry.mirror]]. */
  #registries: Place[] = [];
  #top: Place = place(1);
  #aliases: Place | undefined;

  constructor(text: string) {
    let current = this.#top;
    for (const [index, raw] of text.split("\n").entries()) {
      const line = raw.trim();
      const header = /^\[\[?\s*([^\]]+?)\s*\]\]?/.exec(line)?.[1].replace(/["'\s]/g, "");
      if (header !== undefined) current = this.#enter(header, index + 1);
      const key = /^(?:"([^"]*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*=/.exec(line);
      if (key) current.keys.set(key[1] ?? key[2] ?? key[3], index + 1);
    }
  }

  top(key: string): number | undefined {
    return this.#top.keys.get(key);
  }

  alias(name: string): number | undefined {
    return this.#aliases?.keys.get(name);
  }

  /** @param mirror index of a mirror, if it is about one. */
  registry(index: number, mirror?: number, key?: string): number | undefined {
    const found = mirror === undefined ? this.#registries[index] : this.#registries[index]?.below[mirror];
    return found?.keys.get(key ?? "") ?? found?.line;
  }

  #enter(header: string, line: number): Place {
    const entered = place(line);
    if (header === "registry") this.#registries.push(entered);
    else if (header === "registry.mirror") this.#registries.at(-1)?.below.push(entered);
    else if (header === "aliases") this.#aliases = entered;
    return entered;
  }
}

interface Place {
  line: number;
  keys: Map<string, number>;
  below: Place[];
}

function place(line: number): Place {
  return { line, keys: new Map(), below: [] };
}
