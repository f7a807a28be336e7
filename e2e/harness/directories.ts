/** Directories that tests make outside the checkout. Each is written down first-hand, so that those of a killed run are found. */
import { appendFileSync, mkdirSync, mkdtempSync } from 'node:fs'
import { dirname, resolve } from 'node:path'

/** One path a line; setup/test-leftovers.ts reads it. */
export const directoryList = resolve(import.meta.dir, '../../build/test-directories')

/** mkdtemp(3) with this beginning of the path. */
export function ownDirectory(prefix: string): string {
  const path = mkdtempSync(prefix)
  mkdirSync(dirname(directoryList), { recursive: true })
  appendFileSync(directoryList, `${path}\n`)
  return path
}
