/** Directories that tests make outside the checkout. Each is written down first-hand, so that those of a killed run are found. */
import { appendFileSync, mkdirSync, mkdtempSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { LogKeeper, logsVariable } from './kept-logs.ts'

/** One path a line; setup/gate/test-leftovers.ts reads it. */
export const directoryList = resolve(import.meta.dir, '../../build/test-directories')

/** Set to 1: what a test has not removed itself when it ends is left as it is, running sandboxes included. */
export const keepVariable = 'KATA_TS_E2E_KEEP'
export const isKept = process.env[keepVariable] === '1'

/** Says how to look at something that was kept. */
export const sayKept = (how: string): void => console.log(`kept: ${how}`)

const note = process.env[logsVariable]
let logs: LogKeeper | undefined

/** mkdtemp(3) with this beginning of the path. */
export function ownDirectory(prefix: string): string {
  const path = notedDirectory(prefix)
  if (note !== undefined) logs ??= new LogKeeper(note, notedDirectory)
  logs?.watch(path)
  return path
}

function notedDirectory(prefix: string): string {
  const path = mkdtempSync(prefix)
  mkdirSync(dirname(directoryList), { recursive: true })
  appendFileSync(directoryList, `${path}\n`)
  return path
}

/** Links what has just been written, before the caller removes it. */
export const keepLogs = (): void => logs?.look()
