/** Files and directories that a process is still making, or removing, beside those that are whole. */
import { mayBeAlive, readProc } from '../linux/processes/proc.ts'
import { nameWithProcess, processInName } from '../linux/processes/process-name.ts'

/** `making`: a directory of a content cache, as a layer. The others are beside the layout of the image store. */
export type UnfinishedKind = 'making' | 'pulling' | 'blob' | 'disk'

const unfinished = /^\.(?:making|pulling|blob|disk)-((\d+)-.*)$/s

/** A name of its own for what this process begins. @throws Error where /proc does not show this process. */
export const unfinishedName = (kind: UnfinishedKind): string => `.${kind}-${nameWithProcess()}`

/** Whether that is the name of what a process has left that is dead. One in another pid namespace counts as alive while it may be. */
export function isAbandoned(name: string): boolean {
  const [, rest = '', pid] = unfinished.exec(name) ?? []
  if (pid === undefined) return false
  const process = processInName(rest)
  // An earlier version has written down no more than the number.
  if (process?.pidNamespace === undefined) return readProc(`/proc/${pid}/stat`) === undefined
  return !mayBeAlive(process)
}
