/**
 * Warnings about a start, for the client that waits for it. The Task service has no field for one, so they lie in the container's
 * bundle, where our command line looks; other clients have them in the shim's log.
 */
import { appendFileSync } from 'node:fs'
import type { Logger } from '../log.ts'
import { bundleFile } from './files.ts'
import { invalid, parseJson, readText } from './read-file.ts'

export function warnClient(bundle: string, warning: string, log: Logger): void {
  log.warn(warning)
  try {
    appendFileSync(bundleFile(bundle, 'warnings'), `${JSON.stringify(warning)}\n`, { mode: 0o600 })
  } catch (error) {
    log.warn('that warning did not reach the client', { bundle, error })
  }
}

/** A line that is still being written is left out. @throws KataError BUNDLE_FILE_INVALID. */
export function readWarnings(bundle: string): string[] {
  const path = bundleFile(bundle, 'warnings')
  const lines = readText(path)?.split('\n').slice(0, -1) ?? []
  return lines.map((line) => {
    const warning = parseJson(path, line)
    if (typeof warning !== 'string') throw invalid(path, 'a line of it holds no text')
    return warning
  })
}
