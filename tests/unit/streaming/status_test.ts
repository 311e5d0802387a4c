import { assertEquals } from "@std/assert";
import { exitStatus, internalError, statusBytes, SUCCESS } from "../../../src/streaming/status.ts";
import { text } from "./memory_transport.ts";

Deno.test("statusBytes() from version 4 on is a metav1.Status", () => {
  assertEquals(JSON.parse(text(statusBytes(SUCCESS, true))!), { metadata: {}, status: "Success" });
  assertEquals(JSON.parse(text(statusBytes(exitStatus(3), true))!), {
    metadata: {},
    status: "Failure",
    reason: "NonZeroExitCode",
    message: "command terminated with non-zero exit code: exit status 3",
    details: { causes: [{ reason: "ExitCode", message: "3" }] },
  });
  assertEquals(exitStatus(0), SUCCESS);
});

Deno.test("statusBytes() before version 4 is text, and nothing for success", () => {
  assertEquals(text(statusBytes(SUCCESS, false)), "");
  assertEquals(text(statusBytes(internalError("why"), false)), "Internal error occurred: why");
});
