/** native/double.c: what a double needs of the system. Every function throws an Error with `errno` when it fails. */
declare module 'double' {
  /** Whether this child is gone; it is reaped then. */
  export function hasEnded(pid: number): boolean
  /** A path, or a name in the abstract namespace after an `@`. The descriptor does not block. */
  export function listen(path: string): number
  export function connect(path: string): number
  export function socketPair(): [number, number]
  /** What a socket has, with the descriptors that came along; empty text at its end, null when nothing is there. */
  export function receive(fd: number): { text: string; fds: number[] } | null
  export function send(fd: number, text: string, fds: readonly number[]): void
  /** Opens /dev/kvm and has it make a machine, which is thrown away. */
  export function openKvm(): number
  /** Landlock for the calling thread: access is `r`, `w` or `rw`. False when the kernel has none. */
  export function restrictTo(rules: readonly (readonly [path: string, access: string])[]): boolean
  /** The calling thread's own seccomp filter. */
  export function filterThread(): void
  /** A queue of the tap of this name in the double's network namespace. */
  export function openTap(name: string): number
  /** A file of that many bytes in memory, empty throughout. */
  export function memoryFile(bytes: number): number
  export function exit(code: number): never
  export function pid(): number
}
