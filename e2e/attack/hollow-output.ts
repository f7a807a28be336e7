/** A program that leaves empty buffers in the pipe of its output, as no kind one does: hollow-output.c. */
import { join } from 'node:path'

const blockBytes = 65_536

/** Compiles it to the file `program`, for any container. */
export function makeHollowOutput(program: string): void {
  const source = join(import.meta.dir, 'hollow-output.c')
  const argv = ['gcc', '-O1', '-Wall', '-Werror', '-static', '-s', '-o', program, source]
  const { exitCode, stderr } = Bun.spawnSync(argv, { env: { PATH: process.env.PATH ?? '' } })
  if (exitCode !== 0) throw new Error(`gcc: ${stderr}`)
}

/** What arrives of so many rounds. */
export const hollowText = (rounds: number): string =>
  Array.from({ length: rounds }, (_, round) =>
    String.fromCharCode('a'.charCodeAt(0) + (round % 26)).repeat(blockBytes),
  ).join('')
