/** What QuickJS has beyond guest/agent/types. */
declare module 'std' {
  export interface Output {
    puts(text: string): void
    flush(): void
  }
  export const out: Output
  /** Null when it cannot be opened. */
  export function open(path: string, mode: string): Output | null
  export function strerror(errno: number): string
}
declare const scriptArgs: readonly string[]
