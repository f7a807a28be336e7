/**
 * Warnings for whoever waits for a start. The Task service has no field for one, so they lie beside the container's bundle,
 * where our command line looks; other clients have them in the shim's log.
 */
import { appendFileSync, readFileSync } from 'node:fs'
import { describeError } from '../errors.ts'
import type { Logger } from '../log.ts'

/** In the bundle: one JSON text a line. */
const warningsFile = 'warnings.jsonl'

export function warnClient(bundle: string, warning: string, log: Logger): void {
  log.warn(warning)
  try {
    appendFileSync(`${bundle}/${warningsFile}`, `${JSON.stringify(warning)}\n`, { mode: 0o600 })
  } catch (error) {
    log.warn('that warning did not reach the client', { bundle, error: describeError(error) })
  }
}

export function readWarnings(bundle: string): string[] {
  try {
    return readFileSync(`${bundle}/${warningsFile}`, 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as string)
  } catch {
    return []
  }
}
