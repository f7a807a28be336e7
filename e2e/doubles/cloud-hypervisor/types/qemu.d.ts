/** native/qemu.c */
declare module 'double' {
  /** Has the first thread start the QEMU that is linked in, with these descriptors as 3, 4, ...; its pid. */
  export function startQemu(argv: readonly string[], fds: readonly number[]): number
  /** Writes QEMU's firmware files into a directory; their paths. */
  export function writeFirmware(directory: string): string[]

  /** native/likeness.c: a thread that does nothing, with the filters of the calling one and, if asked, one more; its handle. */
  export function startThread(name: string, filtered: boolean): number
  export function endThread(thread: number): void
  export function eventFd(): number
  export function timerFd(): number
  /** The memfd that guest memory would be; empty. */
  export function ramFile(): number
  /** What KVM makes of this many processors, never run: the machine's descriptor, and one for each. */
  export function makeMachine(kvm: number, processors: number): number[]
  /** Sets it in the double's own network namespace. */
  export function setMtu(tap: number, bytes: number): void
  export function exists(path: string): boolean
}
