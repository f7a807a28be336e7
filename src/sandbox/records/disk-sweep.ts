/** Root file systems on disks whose machines ended with an earlier boot of the host, and whose ledgers with /run. */
import { rmSync } from 'node:fs'
import { describeError } from '../../errors.ts'
import { namesIn } from '../../linux/files/names-in.ts'
import { bootId } from '../../linux/processes/proc.ts'
import { disksDir } from './paths.ts'

export interface SweptDisks {
  readonly path: string
  /** Why it is still there, when it could not be removed. */
  readonly failure?: string
}

/** Removes what earlier boots left. */
export function sweepDisks(): SweptDisks[] {
  const now = bootId()
  return namesIn(disksDir)
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
