import type { ParseEvent } from "./child_events.ts";
import { titleProblem } from "./artifact.ts";
import { requireDigest } from "./digest.ts";
import { INDEX_TYPES, MANIFEST_TYPES } from "./media_types.ts";
import type { Descriptor } from "./documents.ts";

/**
 * Reads a line of the parse child. What parses strangers' bytes may have been taken over, so its word is checked: every
 * digest is one (they become paths and addresses), every list is a list.
 */
export function readParseEvent(line: string): ParseEvent {
  const value = JSON.parse(line) as ParseEvent;
  switch (value.event) {
    case "index":
      requireDigest(value.digest, "index");
      list(value.manifests).forEach(checkDescriptor);
      if (value.chosen !== null) checkDescriptor(value.chosen);
      checkText(value, INDEX_TYPES);
      return value;
    case "manifest":
      requireDigest(value.digest, "manifest");
      checkDescriptor(value.config);
      list(value.layers).forEach(checkDescriptor);
      checkText(value, MANIFEST_TYPES);
      return value;
    case "artifact":
      requireDigest(value.digest, "artifact");
      check(typeof value.text === "string" && typeof value.type === "string");
      for (const { title, blob } of list(value.blobs)) {
        check(typeof title === "string" && (title === "" || titleProblem(title) === undefined));
        checkDescriptor(blob);
      }
      return value;
    case "config":
      requireDigest(value.digest, "config");
      list(value.config.diffIds).forEach((diffId) => requireDigest(diffId, "diff ID"));
      checkDefaults(value);
      return value;
    case "layer":
      requireDigest(value.digest, "layer");
      requireDigest(value.diffId, "diff ID");
      check([value.stream, value.length, value.tarBytes].every((number) => Number.isSafeInteger(number)));
      list(value.impliedDirectories).forEach(checkPath);
      list(value.whiteoutDirectories).forEach(checkPath);
      return value;
    case "signature":
      requireDigest(value.digest, "signature");
      check(typeof value.data === "string");
      return value;
    case "attachment":
      for (const { blob, signature, bundle, certificate, chain } of list(value.attachments)) {
        checkDescriptor(blob);
        for (const field of [signature, bundle, certificate, chain]) check(typeof field === "string");
      }
      return value;
    case "absent":
      return value;
    case "error":
      check(typeof value.message === "string");
      return value;
    default:
      throw new Error("the parser sent an unknown event");
  }
}

function checkDescriptor(descriptor: Descriptor): void {
  requireDigest(descriptor.digest, "descriptor");
  check(typeof descriptor.mediaType === "string" && Number.isSafeInteger(descriptor.size) && descriptor.size >= 0);
}

function checkText({ text, mediaType }: { text?: string; mediaType?: string }, known: readonly string[]): void {
  check(text === undefined || typeof text === "string" && known.includes(mediaType!));
}

function checkPath(path: string): void {
  check(typeof path === "string" && !path.startsWith("/") && !path.split("/").includes("..") && !path.includes("\0"));
}

function checkDefaults({ config, text }: Extract<ParseEvent, { event: "config" }>): void {
  const { user, workingDir, stopSignal, env, entrypoint, cmd, volumes } = config.defaults;
  for (const field of [text, user, workingDir, stopSignal]) check(typeof field === "string");
  for (const field of [env, entrypoint, cmd, volumes]) list(field).forEach((entry) => check(typeof entry === "string"));
  check(typeof config.labels === "object" && config.labels !== null);
  Object.values(config.labels).forEach((label) => check(typeof label === "string"));
}

function list<T>(value: T[]): T[] {
  check(Array.isArray(value));
  return value;
}

function check(condition: boolean): void {
  if (!condition) throw new Error("the parser sent an event that is not well formed");
}
