/** A process in the guest: the init process of a container, or an exec. */

export type OutputStream = 'stdout' | 'stderr'

export interface TerminalSize {
  readonly rows: number
  readonly columns: number
}

export interface GuestProcess {
  /** `size` is the terminal's; undefined for a process without one. */
  start(size?: TerminalSize): Promise<void>
  /**
   * The exit status, 0 to 255: the process's own code, or 128 plus the signal that ended it. The answer closes what is left of the
   * process, its output included: call it once the output was read to its end.
   */
  wait(): Promise<number>
  /** `all`: to every process of the container whose init this is. SIGKILL to an init always is. */
  signal(signal: number, all?: boolean): Promise<void>
  /** @throws when the process has no terminal. */
  resize(size: TerminalSize): Promise<void>
  /** Hands every chunk of a stream to `sink`, one after the other, until its end. */
  output(stream: OutputStream, sink: (chunk: Uint8Array) => Promise<void>): Promise<void>
  /** Feeds the process's stdin until `chunks` ends, then closes it. A terminal stays open: its hang-up would end the process. */
  input(chunks: AsyncIterable<Uint8Array>, how?: { readonly isTerminal?: boolean }): Promise<void>
}
