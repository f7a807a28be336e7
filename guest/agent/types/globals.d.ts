/** The command line: the program, then its arguments. */
declare const scriptArgs: readonly string[]

/** What src/system/polyfills.ts adds to QuickJS for the code that host and guest share. */
declare class TextEncoder {
  encode(text: string): Uint8Array<ArrayBuffer>
}

declare class TextDecoder {
  /** Ours never takes a mark of the byte order away. */
  constructor(label?: 'utf-8', options?: { ignoreBOM: true })
  decode(bytes: Uint8Array): string
}

declare function setTimeout(action: () => void, milliseconds: number): import('os').Timer
declare function clearTimeout(timer: import('os').Timer | undefined): void
