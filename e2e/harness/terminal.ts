/** A person at a terminal. */
import { eventually } from './kata.ts'

export interface Terminal {
  readonly exited: Promise<number>
  type(text: string): void
  /** Waits until the screen has shown the text. */
  shows(text: string): Promise<void>
}

/** Starts a command at a terminal of its own, of 80 columns and 24 rows. */
export function atTerminal(command: readonly string[]): Terminal {
  const output: string[] = []
  const child = Bun.spawn([...command], {
    terminal: { cols: 80, rows: 24, data: (_, chunk) => void output.push(Buffer.from(chunk).toString()) },
  })
  return {
    exited: child.exited,
    type: (text) => void child.terminal!.write(text),
    async shows(text) {
      await eventually(`the terminal to show ${text}`, () => output.join('').includes(text) || undefined)
    },
  }
}
