/** Opens the state that a machine goes on from. */
import { closeSync, fstatSync, openSync } from 'node:fs'
import { KataError } from '../../errors.ts'
import { whyAnother } from '../../linux/files/file-facts.ts'
import type { SavedFiles } from '../vmm.ts'

/**
 * Another command may have removed it since it was looked at, or put another one there, whose memory belongs to other disks and devices. The
 * caller closes it.
 *
 * @throws KataError with that code; errors of the system.
 */
export function openState(
  { state: path, recorded }: Pick<SavedFiles, 'state' | 'recorded'>,
  code: 'TEMPLATE_DAMAGED' | 'CHECKPOINT_DAMAGED',
): number {
  const fd = openThere(path, code)
  const reason = whyAnother(fstatSync(fd, { bigint: true }), recorded)
  if (reason === undefined) return fd
  closeSync(fd)
  throw new KataError(code, { path, reason })
}

function openThere(path: string, code: 'TEMPLATE_DAMAGED' | 'CHECKPOINT_DAMAGED'): number {
  try {
    return openSync(path, 'r')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause
    throw new KataError(code, { path, reason: 'it is not there' }, { cause })
  }
}
