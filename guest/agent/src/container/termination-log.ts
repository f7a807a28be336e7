/** The termination message of a container: a file of the guest's where files of the host are copied. */
import { close, open, read, utf8Decode } from 'syscalls'
import type { Spec } from '../../../../src/protocol/generated/oci.ts'
import { openFlags } from '../system/files.ts'

const pathAnnotation = 'io.kubernetes.container.terminationMessagePath'
const defaultPath = '/dev/termination-log'
/** The most that a kubelet reads of it, bytes. */
const mostBytes = 4096

/** The file outside the container; undefined when nothing is mounted at the path. */
export function terminationLogOf({ annotations, mounts }: Spec): string | undefined {
  const path = annotations[pathAnnotation] ?? defaultPath
  return mounts.find(({ destination }) => destination === path)?.source
}

/** What the container wrote, cut. @throws SysError. */
export function readTerminationLog(path: string): string {
  const fd = open(path, openFlags.readOnly | openFlags.noFollow | openFlags.nonBlock, 0)
  try {
    return utf8Decode(read(fd, mostBytes) ?? new Uint8Array(0))
  } finally {
    close(fd)
  }
}
