import type { AsyncFd } from "../sys/mod.ts";

/** A two-way byte connection: TCP, TLS, or what is carried inside WebSocket messages. */
export interface Transport {
  /** The next bytes, valid until the next call; null at the end, however it came. */
  read(): Promise<Uint8Array | null>;
  /** Writes all, or rejects. The bytes may be changed once it has settled. */
  write(bytes: Uint8Array): Promise<void>;
  /** Called once when the connection has been closed from our side, for whatever reason. */
  onClose?: () => void;
  /** Nothing more will be written. */
  closeWrite(): Promise<void>;
  close(): void;
}

/** Bytes from the client. One reader at a time. */
export interface ByteSource {
  /** Null at the end: half-closed, reset, or the client has gone. */
  read(): Promise<Uint8Array | null>;
  /** What is queued and what comes is dropped from now on: a client that writes on must not be held up. */
  discard(): void;
}

/** Bytes to the client. */
export interface ByteSink {
  /** Resolves when the connection has taken them, so a slow client slows the writer; rejects when the client has gone. */
  write(bytes: Uint8Array): Promise<void>;
  end(): Promise<void>;
}

/** A `metav1.Status`, the part of it that remote commands use. */
export interface Status {
  status: "Success" | "Failure";
  message?: string;
  reason?: string;
  details?: { causes: { reason: string; message: string }[] };
  code?: number;
}

/** The streams of an exec or attach, whatever protocol carries them. A stream that was not asked for is absent. */
export interface RemoteStreams {
  stdin?: ByteSource;
  stdout?: ByteSink;
  stderr?: ByteSink;
  /** JSON texts `{"Width":…,"Height":…}` one after the other. */
  resize?: ByteSource;
  /** Resolves when the client has gone. */
  gone: Promise<void>;
  /** Tells how it ended, ends all streams and the connection. Never rejects. */
  finish(status: Status): Promise<void>;
}

/** Which streams the CRI request asked for. */
export interface StreamSelection {
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  tty: boolean;
}

/** Descriptors of the command. */
export interface Stdio {
  fds: Record<number, number>;
}

/** Our end of a command's terminal. */
export interface Terminal extends Pick<AsyncFd, "read" | "write" | "close"> {
  /** After `close` it does nothing. */
  resize(rows: number, columns: number): void;
}

/** A command that runs in a container. */
export interface RunningCommand {
  /** Exit code. Rejects when the command could not be run; its message is for the user. */
  readonly ended: Promise<number>;
  /** Whether the command itself runs or has run: what came out before are the runtime's own words. */
  started(): boolean;
  /** Kills the command and what it started; `ended` follows. */
  kill(): void;
}

/** What an exec session works on, as it is when the client connects. */
export interface ExecTarget {
  /** Whose the pipes are to be, so that the command can open its /dev/stdin again by its path. */
  uid: number;
  gid: number;
  start(stdio: Stdio): Promise<RunningCommand>;
  /** Runs it on a terminal, which has `size` from the start and is the caller's to close. */
  startOnTerminal(size?: { rows: number; columns: number }): Promise<{ command: RunningCommand; terminal: Terminal }>;
}

export interface AttachTarget {
  /** conmon's SOCK_SEQPACKET socket. */
  socket: string;
  /** Resolves once the monitor has been told. */
  resize(rows: number, columns: number): Promise<void>;
}

export interface PortForwardTarget {
  /** Full ID of the pod sandbox. */
  id: string;
  /** Pinned network namespace; undefined: the host's. */
  netns?: string;
}

/** Targets are asked for when the client connects, up to a minute after the URL was given; an RpcError reaches the client as text. */
export interface ExecRequest extends StreamSelection {
  target: () => ExecTarget | Promise<ExecTarget>;
}
export interface AttachRequest extends StreamSelection {
  target: () => AttachTarget | Promise<AttachTarget>;
}
export interface PortForwardRequest {
  target: () => PortForwardTarget | Promise<PortForwardTarget>;
  /** Only for the WebSocket channel protocols; SPDY streams name their port themselves. */
  ports: number[];
}
