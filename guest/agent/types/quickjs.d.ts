/** The parts of QuickJS' own modules that the agent uses (https://bellard.org/quickjs/quickjs.html#Standard-library). */
declare module 'std' {
  export function exit(code: number): never
  /** Standard error, which is the console. */
  export const err: { puts(text: string): void; flush(): void }
}

declare module 'os' {
  export type Timer = { readonly __timer: unique symbol }
  export function setReadHandler(fd: number, handler: (() => void) | null): void
  export function setTimeout(action: () => void, milliseconds: number): Timer
  export function clearTimeout(timer: Timer): void
  export function chdir(path: string): number
  /** Like the following: 0 or a negative errno. */
  export function mkdir(path: string, mode?: number): number
  export function remove(path: string): number
  export function rename(from: string, to: string): number
  /** [target, errno] */
  export function readlink(path: string): [string, number]
  export interface Facts {
    readonly mode: number
    readonly uid: number
    readonly gid: number
    readonly size: number
    readonly ino: number
    /** Milliseconds since 1970. */
    readonly mtime: number
    /** The device of a device node. */
    readonly rdev: number
  }
  /** [facts, errno] */
  export function stat(path: string): [Facts, number]
  export function lstat(path: string): [Facts, number]
}
