/** The termination message of a container: a file of the guest's where files of the host are copied. */
import { close, fileSize, open, pread, utf8Decode } from 'syscalls'
import type { Spec } from '../../../../src/protocol/generated/oci.ts'
import { openFlags } from '../system/files.ts'

const pathAnnotation = 'io.kubernetes.container.terminationMessagePath'
const defaultPath = '/dev/termination-log'
/** The most that a kubelet reads of it, from its end, bytes. */
const mostBytes = 4096

/** The file outside the container; undefined when nothing is mounted at the path. */
export function terminationLogOf({ annotations, mounts }: Spec): string | undefined {
  const path = annotations[pathAnnotation] ?? defaultPath
  return mounts.find(({ destination }) => destination === path)?.source
}

/** The end of what the container wrote, from the beginning of a character on. @throws SysError. */
export function readTerminationLog(path: string): string {
  const fd = open(path, openFlags.readOnly | openFlags.noFollow | openFlags.nonBlock, 0)
  try {
    const from = Math.max(0, fileSize(fd) - mostBytes)
    const bytes = pread(fd, mostBytes, from)
    const start = bytes.findIndex((byte) => (byte & 0xc0) !== 0x80)
    return utf8Decode(from === 0 ? bytes : bytes.subarray(Math.max(0, start)))
  } finally {
    close(fd)
  }
}
