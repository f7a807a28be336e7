/** The one extra right of a VMM user: the group that owns /dev/kvm, and on some hosts more (THREAT-MODEL.md). */
import { statSync } from 'node:fs'
import type { Accelerator } from '../../config/config.ts'
import { KataError } from '../../errors.ts'
import type { Logger } from '../../log.ts'

/**
 * Supplementary groups of the VMM: the node's group under `kvm` and `auto`, so that what is tested with one
 * accelerator is what runs with the other; none under `tcg`. Group 0 is never among them.
 *
 * @throws KataError KVM_MISSING or KVM_GROUP_UNUSABLE, under `kvm` only: `auto` does without KVM then, and the start says why.
 */
export function kvmGroups(accelerator: Accelerator, log: Logger, node = '/dev/kvm'): number[] {
  if (accelerator === 'tcg') return []
  const problem = kvmGroupProblem(node)
  if (problem !== undefined) {
    if (accelerator === 'kvm') throw problem
    return []
  }
  const { gid, mode } = statSync(node)
  if ((mode & 0o002) !== 0)
    log.warn(`${node} can be written by every user of this host`, { mode: octal(mode) })
  return [gid]
}

/** Why no group would let a user open the node, if that is so: KVM_MISSING or KVM_GROUP_UNUSABLE. */
export function kvmGroupProblem(path: string): KataError | undefined {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (stat === undefined) return new KataError('KVM_MISSING', { path, reason: 'it does not exist' })
  if (!stat.isCharacterDevice())
    return new KataError('KVM_MISSING', { path, reason: 'it is not a character device' })
  const groupMayUse = (stat.mode & 0o060) === 0o060
  if (stat.gid !== 0 && groupMayUse) return undefined
  return new KataError('KVM_GROUP_UNUSABLE', { path, gid: stat.gid, mode: octal(stat.mode) })
}

function octal(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, '0')
}
