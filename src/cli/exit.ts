/** Exit codes of every command; `skiff exec` ends with the code of the command it ran. */
export const EXIT_OK = 0;
export const EXIT_FAILURE = 1;
/** Wrong arguments, or a configuration that does not pass validation. */
export const EXIT_USAGE = 2;
/** Nobody answers on the socket. */
export const EXIT_UNREACHABLE = 3;

/** Ends the command with this code; the message, if any, goes to standard error as it is. */
export class Exit extends Error {
  override name = "Exit";
  constructor(readonly code: number, message = "") {
    super(message);
  }
}
