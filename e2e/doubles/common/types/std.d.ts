/** What QuickJS has beyond guest/agent/types. */
declare module 'std' {
  export const out: { puts(text: string): void; flush(): void }
}
declare const scriptArgs: readonly string[]
