/** The error of CreateContainer that the content of a disk caused. */
import { KataError } from '../errors.ts'
import { TtrpcError } from '../ttrpc/ttrpc.ts'

/** The machine-readable reason that the agent of our own image gives. Kata's gives words alone. */
export const diskCode = 'DISK_UNMOUNTABLE'

/** Returns any other error unchanged. */
export function asDiskError(error: unknown, container: string): unknown {
  if (!(error instanceof TtrpcError) || error.reason !== diskCode) return error
  return new KataError(diskCode, { container, reason: error.message }, { cause: error })
}
