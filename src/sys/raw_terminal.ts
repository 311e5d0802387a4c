import { failure } from "./errno.ts";
import { errno, libc } from "./libc_symbols.ts";

const TCGETS = 0x5401n;
const TCSETS = 0x5402n;
/** The kernel's struct termios: four flag words, the line discipline, 19 control characters. */
const TERMIOS_BYTES = 36;
const BRKINT = 0o2;
const IGNBRK = 0o1;
const PARMRK = 0o10;
const ISTRIP = 0o40;
const INLCR = 0o100;
const IGNCR = 0o200;
const ICRNL = 0o400;
const IXON = 0o2000;
const OPOST = 0o1;
const CSIZE = 0o60;
const PARENB = 0o400;
const CS8 = 0o60;
const ISIG = 0o1;
const ICANON = 0o2;
const ECHO = 0o10;
const ECHONL = 0o100;
const IEXTEN = 0o100000;

/** Has a pseudo terminal pass every byte on as it is, both ways (cfmakeraw(3)); `master` is our end. */
export function setRawPty(master: number): void {
  const termios = new Uint8Array(TERMIOS_BYTES);
  if (libc().ioctl(master, TCGETS, termios) < 0) throw failure(errno(), "ioctl", `TCGETS of descriptor ${master}`);
  const flags = new Uint32Array(termios.buffer, 0, 4);
  flags[0] &= ~(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
  flags[1] &= ~OPOST;
  flags[2] = (flags[2] & ~(CSIZE | PARENB)) | CS8;
  flags[3] &= ~(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
  if (libc().ioctl(master, TCSETS, termios) < 0) throw failure(errno(), "ioctl", `TCSETS of descriptor ${master}`);
}
