/** Descriptors that QEMU keeps in a set, whose name it opens in place of a path. */
import { asNumber, asObject } from '../../monitor/answers.ts'

type Execute = (command: string, args: object, fds?: readonly number[]) => Promise<unknown>

/** Hands a descriptor over; the caller keeps its own. Returns the number of the set. @throws KataError VMM_PROTOCOL, or of the command. */
export async function addFd(execute: Execute, fd: number): Promise<number> {
  const answer = asObject(await execute('add-fd', {}, [fd]), 'answer to add-fd')
  return asNumber(answer['fdset-id'], 'the set of add-fd')
}

/** What opens a set's descriptor, in place of a path. */
export const fdSetPath = (set: number): string => `/dev/fdset/${set}`
