import { Signal } from "../../../proto/gen/runtime/v1/api.ts";
import { invalid, quote } from "../refusal.ts";

const SIGTERM = 15;
const SIGRTMIN = 34;
const SIGRTMAX = 64;

/** Numbers of signal(7); the same on x86_64 and aarch64. */
const NUMBERS: Record<string, number> = {
  HUP: 1,
  INT: 2,
  QUIT: 3,
  ILL: 4,
  TRAP: 5,
  ABRT: 6,
  IOT: 6,
  BUS: 7,
  FPE: 8,
  KILL: 9,
  USR1: 10,
  SEGV: 11,
  USR2: 12,
  PIPE: 13,
  ALRM: 14,
  TERM: 15,
  STKFLT: 16,
  CHLD: 17,
  CLD: 17,
  CONT: 18,
  STOP: 19,
  TSTP: 20,
  TTIN: 21,
  TTOU: 22,
  URG: 23,
  XCPU: 24,
  XFSZ: 25,
  VTALRM: 26,
  PROF: 27,
  WINCH: 28,
  IO: 29,
  POLL: 29,
  PWR: 30,
  SYS: 31,
};

/** The signal that asks the container to end: the request's, else STOPSIGNAL of the image (name or number), else SIGTERM. */
export function stopSignalNumber(requested: Signal, ofImage: string): number {
  if (requested !== Signal.SIGNAL_RUNTIME_DEFAULT) {
    return parse(signalName(requested)) ?? refuse("stop_signal", signalName(requested));
  }
  if (ofImage === "") return SIGTERM;
  return parse(ofImage) ?? refuse("STOPSIGNAL of the image", ofImage);
}

/** The CRI's name for a signal number; RUNTIME_DEFAULT for one that it has no name for. */
export function stopSignalEnum(number: number): Signal {
  const found = Object.values(Signal).find((value): value is Signal =>
    typeof value === "number" && value > 0 && parse(signalName(value)) === number
  );
  return found ?? Signal.SIGNAL_RUNTIME_DEFAULT;
}

function signalName(signal: Signal): string {
  return Signal[signal].replace(/^SIGNAL_/, "").replace("PLUS", "+").replace("MINUS", "-");
}

function parse(text: string): number | undefined {
  if (/^\d{1,2}$/.test(text)) return Number(text) >= 1 && Number(text) <= SIGRTMAX ? Number(text) : undefined;
  const name = text.toUpperCase().replace(/^SIG/, "");
  const realTime = /^RT(MIN|MAX)(?:([+-])(\d{1,2}))?$/.exec(name);
  if (!realTime) return NUMBERS[name];
  const offset = Number(realTime[3] ?? 0) * (realTime[2] === "-" ? -1 : 1);
  const number = (realTime[1] === "MIN" ? SIGRTMIN : SIGRTMAX) + offset;
  return number >= SIGRTMIN && number <= SIGRTMAX ? number : undefined;
}

function refuse(field: string, text: string): never {
  throw invalid(field, `${quote(text)} is not a signal`);
}
