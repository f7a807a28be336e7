/** Root file systems on disks whose machines ended with an earlier boot of the host, and whose ledgers with /run. */
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { describeError } from '../../errors.ts'
import { bootId } from '../../linux/processes/proc.ts'
import { disksDir } from './paths.ts'

export interface SweptDisks {
  readonly path: string
  /** Why it is still there, when it could not be removed. */
  readonly failure?: string
}

/** Removes what earlier boots left. */
export function sweepDisks(): SweptDisks[] {
  if (!existsSync(disksDir)) return []
  const now = bootId()
  return readdirSync(disksDir)
    .filter((boot) => boot !== now)
    .map((boot) => swept(`${disksDir}/${boot}`))
}

function swept(path: string): SweptDisks {
  try {
    rmSync(path, { recursive: true, force: true })
    return { path }
  } catch (error) {
    return { path, failure: describeError(error) }
  }
}
