/** Gives a volume's files to the pod's group (Kubernetes `fsGroup`), as kubelet does on a host. */
import { type Facts, stat } from 'os'
import { chmod, close, lchown, lchownat, open, openIn } from 'syscalls'
import type { FSGroup } from '../../../../src/protocol/generated/agent.ts'
import { FSGroupChangePolicy } from '../../../../src/protocol/generated/types.ts'
import { invalid } from '../errors.ts'
import { errnoName, isDirectory, list, openFlags } from '../system/files.ts'
import { sleep } from '../system/wait.ts'

const linkType = 0o120000
const typeMask = 0o170000
const setGroupId = 0o2000
/** Files between two moments at which the agent serves other calls. */
const pieceSize = 500

/**
 * Gives the tree to the group. Another container may put links into the volume meanwhile, so only files that were opened below the volume's top
 * are changed.
 *
 * @throws TtrpcError INVALID_ARGUMENT if the path does not exist; SysError from chown(2) and chmod(2).
 */
export async function giveTreeToGroup(path: string, group: FSGroup, readonly: boolean): Promise<void> {
  const top = openTop(path)
  try {
    const { groupId, groupChangePolicy } = group
    const facts = factsOf(top)
    const isDone = groupChangePolicy === FSGroupChangePolicy.ON_ROOT_MISMATCH
    if (isDone && isGiven(facts, groupId, readonly)) return
    if (!isDirectory(facts)) lchown(path, -1, groupId)
    else lchown(`${placeOf(top)}/.`, -1, groupId)
    chmod(placeOf(top), groupMode(facts, readonly))
    if (isDirectory(facts)) await giveBelow(top, groupId, readonly)
  } finally {
    close(top)
  }
}

async function giveBelow(top: number, group: number, readonly: boolean): Promise<void> {
  let handled = 0
  const pending = ['.']
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    const directory = openEntry(top, path, openFlags.directory)
    if (directory === undefined) continue
    try {
      for (const name of list(placeOf(directory))) {
        if (giveEntry(directory, name, group, readonly)) pending.push(`${path}/${name}`)
        if (++handled % pieceSize === 0) await sleep(0)
      }
    } finally {
      close(directory)
    }
  }
}

/** Returns whether the entry is a directory. */
function giveEntry(directory: number, name: string, group: number, readonly: boolean): boolean {
  const entry = openEntry(directory, name, openFlags.path)
  if (entry === undefined) return false
  try {
    const facts = factsOf(entry)
    // A link is skipped: its mode has no meaning, and its target may be anywhere.
    if ((facts.mode & typeMask) === linkType) return false
    lchownat(directory, name, -1, group)
    chmod(placeOf(entry), groupMode(facts, readonly))
    return isDirectory(facts)
  } catch (error) {
    if (isGone(error)) return false
    throw error
  } finally {
    close(entry)
  }
}

/** Undefined if the entry was removed or replaced after it was listed. */
function openEntry(directory: number, path: string, flags: number): number | undefined {
  try {
    return openIn(directory, path, flags | openFlags.noFollow, 0)
  } catch (error) {
    if (isGone(error)) return undefined
    throw error
  }
}

const isGone = (error: unknown): boolean => ['ENOENT', 'ENOTDIR', 'ELOOP'].includes(errnoName(error) ?? '')

function openTop(path: string): number {
  try {
    return open(path, openFlags.path, 0)
  } catch (error) {
    throw invalid(`${path} cannot be looked at (${errnoName(error)})`, error)
  }
}

/** A path to the open file that stays valid if the file is renamed. */
const placeOf = (fd: number): string => `/proc/self/fd/${fd}`

/** Permission bits with the group's bits added. Pure. */
function groupMode(facts: Pick<Facts, 'mode'>, readonly: boolean): number {
  const readWrite = readonly ? 0o440 : 0o660
  return (facts.mode & 0o7777) | readWrite | (isDirectory(facts as Facts) ? 0o110 | setGroupId : 0)
}

function isGiven(facts: Facts, group: number, readonly: boolean): boolean {
  return facts.gid === group && groupMode(facts, readonly) === (facts.mode & 0o7777)
}

/** The facts of an open file. */
function factsOf(fd: number): Facts {
  const [facts, error] = stat(placeOf(fd))
  if (error !== 0) throw invalid(`a file of a volume cannot be looked at (errno ${error})`)
  return facts
}
