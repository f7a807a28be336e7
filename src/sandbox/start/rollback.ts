/** Cleans up after a failed start. */
import { describeError, type ErrorCode, KataError } from '../../errors.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import { isDiskFull } from '../../linux/files/disk-full.ts'
import type { SandboxPaths } from '../records/paths.ts'
import { removeState } from '../records/state-dir.ts'
import type { SandboxRequest } from './request.ts'

/**
 * Runs `start`. If it fails, releases everything in the ledger and removes the state directory.
 *
 * @throws what `start` throws, or the signal's reason once the start was given up. KataError RELEASE_FAILED instead of `retriedAfter`
 *   when something could not be released.
 */
export async function rollingBack<T>(
  { log, signal }: Pick<SandboxRequest, 'log' | 'signal'>,
  taken: {
    readonly ledger: Pick<Ledger, 'releaseAll' | 'held'>
    readonly paths: Pick<SandboxPaths, 'stateDir' | 'name'>
    /** After this error the caller starts again in another way. Leftovers would occupy the name, and that start would fail without saying why. */
    readonly retriedAfter?: ErrorCode
  },
  start: () => Promise<T>,
): Promise<T> {
  try {
    return await start()
  } catch (failure) {
    const error = signal.aborted ? signal.reason : failure
    log.error('start failed', { error, ...(signal.aborted && { by: failure }) })
    // Whatever cannot be released stays in the ledger for `gc`. The caller needs the original error more.
    await taken.ledger
      .releaseAll()
      .then(() => removeState(taken.paths))
      .catch((left) => {
        log.error('the failed start left something', { error: left })
        if (isCode(error, taken.retriedAfter)) throw leftBehind(taken.ledger.held, left, error)
      })
    throw error
  }
}

const isCode = (error: unknown, code: ErrorCode | undefined): error is KataError =>
  error instanceof KataError && error.code === code

function leftBehind(held: readonly string[], left: unknown, failure: KataError): KataError {
  const why = isCode(left, 'RELEASE_FAILED') && left.cause !== undefined ? left.cause : left
  const reason = `${describeError(why)}; its start had failed: ${failure.rawMessage}`
  const what = held.length > 0 ? held.join(', ') : 'its directory'
  return new KataError('RELEASE_FAILED', { held: what, reason }, { cause: failure })
}

/**
 * Runs `work`, and reports a full disk with the run directory: nearly all of a sandbox's own files are below it. An error that names a file
 * elsewhere stays as it is.
 *
 * @throws KataError RUN_DIR_FULL; what else `work` throws.
 */
export async function namingFullDisk<T>(
  { id, runDir }: Pick<SandboxRequest, 'id' | 'runDir'>,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!isDiskFull(error) || isElsewhere(error, runDir)) throw error
    throw new KataError('RUN_DIR_FULL', { id, path: runDir }, { cause: error })
  }
}

/** A path by a descriptor does not say where the file is. */
function isElsewhere(error: unknown, runDir: string): boolean {
  const { path } = error as NodeJS.ErrnoException
  return path !== undefined && !`${path}/`.startsWith(`${runDir}/`) && !path.startsWith('/proc/')
}
