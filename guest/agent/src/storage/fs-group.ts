/** A volume's files for the group of the pod (Kubernetes `fsGroup`), in the way that kubelet does it on a host. */
import { type Facts, lstat } from 'os'
import { chmod, lchown } from 'syscalls'
import type { FSGroup } from '../../../../src/protocol/generated/agent.ts'
import { FSGroupChangePolicy } from '../../../../src/protocol/generated/types.ts'
import { invalid } from '../errors.ts'
import { isDirectory, list } from '../system/files.ts'
import { sleep } from '../system/wait.ts'

const linkType = 0o120000
const typeMask = 0o170000
const setGroupId = 0o2000
/** The agent serves other calls between this many files. */
const pieceSize = 500

/** @throws TtrpcError INVALID_ARGUMENT for a path that is not there, SysError from chown(2) and chmod(2). */
export async function giveTreeToGroup(path: string, group: FSGroup, readonly: boolean): Promise<void> {
  const { groupId, groupChangePolicy } = group
  const top = factsOf(path)
  if (groupChangePolicy === FSGroupChangePolicy.ON_ROOT_MISMATCH && isGiven(top, groupId, readonly)) return
  let handled = 0
  const pending = [path]
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const facts = factsOf(next)
    // The mode of a link is nobody's, and what it points to may be anywhere.
    if ((facts.mode & typeMask) !== linkType) {
      lchown(next, -1, groupId)
      chmod(next, groupMode(facts, readonly))
    }
    if (isDirectory(facts)) for (const name of list(next)) pending.push(`${next}/${name}`)
    if (++handled % pieceSize === 0) await sleep(0)
  }
}

/** Permission bits with the group's added. Pure. */
function groupMode(facts: Pick<Facts, 'mode'>, readonly: boolean): number {
  const readWrite = readonly ? 0o440 : 0o660
  return (facts.mode & 0o7777) | readWrite | (isDirectory(facts as Facts) ? 0o110 | setGroupId : 0)
}

function isGiven(facts: Facts, group: number, readonly: boolean): boolean {
  return facts.gid === group && groupMode(facts, readonly) === (facts.mode & 0o7777)
}

function factsOf(path: string): Facts {
  const [facts, error] = lstat(path)
  if (error !== 0) throw invalid(`${path} cannot be looked at (errno ${error})`)
  return facts
}
