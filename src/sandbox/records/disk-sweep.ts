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

/** The id of a boot. Other names are not ours, such as the `lost+found` of a directory that is a file system of its own. */
const anyBoot = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** Removes what earlier boots left. */
export function sweepDisks(directory = disksDir): SweptDisks[] {
  const now = bootId()
  return namesIn(directory)
    .filter((name) => anyBoot.test(name) && name !== now)
    .map((boot) => swept(`${directory}/${boot}`))
}

function swept(path: string): SweptDisks {
  try {
    rmSync(path, { recursive: true, force: true })
    return { path }
  } catch (error) {
    return { path, failure: describeError(error) }
  }
}
