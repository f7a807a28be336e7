/** What is written into the kubelet's file for a container's termination message: ../../oci/termination-mount.ts. */
import { constants, fstatSync, openSync, type Stats, writeSync } from 'node:fs'
import { KataError } from '../../errors.ts'
import { closing } from '../../linux/files/open-at.ts'
import { openOperatorPath } from '../../linux/files/operator-path.ts'
import { plainText } from '../../plain-text.ts'
import { outOfMemoryOf } from './machine-end.ts'

/** The most that the kubelet reads of the file, bytes. */
export const mostMessageBytes = 4096

/** A death on one line, for the container's owner. When the host's memory ran out, it is that error, with its remedy. */
export function deathLine(death: KataError): string {
  return plainText((outOfMemoryOf(death) ?? death).message)
}

/**
 * Writes a message into the kubelet's file, cut at {@link mostMessageBytes}, unless the file has one. What the container wrote stays,
 * and only an ordinary file without other names is written to: the guest could write to this one until now. Nothing else is opened.
 *
 * @throws KataError TERMINATION_FILE_INVALID; SOURCE_LINK for a symbolic link that a pod may have made, also on the way; those of open(2).
 */
export function writeTerminationMessage(path: string, message: Uint8Array | string): void {
  closing(openOperatorPath(path), (location) => {
    requireOrdinary(path, fstatSync(location))
    // Without O_APPEND a late write of the container could be overwritten.
    closing(openSync(`/proc/self/fd/${location}`, constants.O_WRONLY | constants.O_APPEND), (fd) => {
      if (fstatSync(fd).size === 0) writeSync(fd, cut(message))
    })
  })
}

function requireOrdinary(path: string, facts: Stats): void {
  if (!facts.isFile())
    throw new KataError('TERMINATION_FILE_INVALID', { path, problem: 'it is no ordinary file' })
  if (facts.nlink !== 1)
    throw new KataError('TERMINATION_FILE_INVALID', { path, problem: `it has ${facts.nlink} names` })
}

/** Cuts between characters. */
function cut(message: Uint8Array | string): Uint8Array {
  const bytes = Buffer.from(message)
  let end = Math.min(bytes.length, mostMessageBytes)
  while (end < bytes.length && (bytes[end]! & 0xc0) === 0x80) end--
  return bytes.subarray(0, end)
}
