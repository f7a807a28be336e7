/** A saved machine on disk. All of it is root's, and has the bytes that were written down, or it does not go on. */
import { type BigIntStats, closeSync, lstatSync, openSync } from 'node:fs'
import type { Config } from '../../config/config.ts'
import { KataError } from '../../errors.ts'
import { isEqual } from '../../json/is-equal.ts'
import { type FileFacts, fileFacts } from '../../linux/files/file-facts.ts'
import type { FileDigest } from '../../linux/files/sparse-file.ts'
import { version as ownVersion } from '../../version.ts'
import type { SavedFiles } from '../../vmm/vmm.ts'
import { placeOf } from '../disks/guest-disk.ts'
import type { MadeMachine } from '../sandbox-parts.ts'
import type { PluggedDisk } from '../storage/disks.ts'
import { whyForeign } from '../template/roots-own.ts'
import { type CheckpointFacts, checkpointFiles, readCheckpointFacts } from './checkpoint-facts.ts'
import { machineKey } from './machine-key.ts'
import { digestAt } from './named-copy.ts'
import { unchanging } from './save-machine.ts'

export interface Checkpoint {
  readonly directory: string
  readonly facts: CheckpointFacts
  /** Path of the saved machine. */
  readonly state: string
  /** {@link SavedFiles.recorded}. */
  readonly recorded: FileFacts
}

/** @throws KataError CHECKPOINT_FOREIGN, CHECKPOINT_DAMAGED; CHECKPOINT_UNUSABLE for another format. Its bytes are not looked at yet. */
export function readCheckpoint(directory: string): Checkpoint {
  requireRootsOwn(directory, 'directory')
  const [state, file] = [`${directory}/${checkpointFiles.state}`, `${directory}/${checkpointFiles.facts}`]
  const recorded = fileFacts(requireRootsOwn(state, 'file'))
  requireRootsOwn(file, 'file')
  return { directory, state, recorded, facts: readCheckpointFacts(file) }
}

/** The file or directory at `path`. @throws KataError CHECKPOINT_FOREIGN, CHECKPOINT_DAMAGED when there is none. */
export function requireRootsOwn(path: string, kind: 'file' | 'directory'): BigIntStats {
  const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false })
  if (stat === undefined) throw new KataError('CHECKPOINT_DAMAGED', { path, reason: 'it is not there' })
  const reason = whyForeign(stat, kind)
  if (reason !== undefined) throw new KataError('CHECKPOINT_FOREIGN', { path, reason })
  return stat
}

/** @throws KataError CHECKPOINT_UNUSABLE when it was made of something else; the signal's reason; errors of the system. */
export async function requireSameMachine(
  { directory, facts }: Checkpoint,
  config: Config,
  { assets, accelerator }: Pick<MadeMachine, 'assets' | 'accelerator'>,
  signal: AbortSignal,
): Promise<void> {
  if (accelerator.accelerator !== facts.accelerator)
    throw unusable(directory, `it ran with ${facts.accelerator}, and here is ${accelerator.accelerator}`)
  const key = await machineKey(config, { assets, accelerator, plan: facts.plan }, signal)
  if (key === undefined) throw unusable(directory, `the VMM (${config.hypervisor.driver}) saves no machines`)
  if (key === facts.key) return
  // Versions make different machines of the same parts.
  const isOthers = facts.savedBy !== ownVersion
  const orVersion = isOthers ? `, or kata-ts is: ${facts.savedBy} saved it, and this is ${ownVersion}` : ''
  throw unusable(directory, `QEMU, kernel, initrd, configuration or processor are others${orVersion}`)
}

/** @throws KataError CHECKPOINT_UNUSABLE when the machine would get other network cards than it had. */
export function requireSameCards({ directory, facts }: Checkpoint, cards: readonly unknown[]): void {
  const { length } = facts.cards ?? []
  if (length === cards.length) return
  const reason = `the machine had ${length} network cards, and gets ${cards.length}`
  throw unusable(directory, reason)
}

/**
 * Compares memory and disks with what was written down. `disks` are the machine's now.
 *
 * @throws KataError CHECKPOINT_DAMAGED; CHECKPOINT_UNUSABLE for disks on another bus; the signal's reason; errors of the system.
 */
export async function verifyCheckpoint(
  { directory, facts, state }: Checkpoint,
  disks: readonly PluggedDisk[],
  signal: AbortSignal,
): Promise<void> {
  await requireBytes(state, facts.state, signal)
  if (disks.length !== facts.disks.length)
    throw damaged(state, `the machine had ${facts.disks.length} disks, and gets ${disks.length}`)
  for (const [index, disk] of disks.entries()) {
    const saved = facts.disks[index]!
    const { id, address, readonly, name } = disk
    const isSame = saved.id === id && saved.readonly === readonly
    if (!isSame) throw damaged(name, `it is in the place of ${saved.id}, which is another disk`)
    if (saved.place !== placeOf(address))
      throw unusable(
        directory,
        `${id} was connected in another way, as by another block_device_driver in its configuration`,
      )
    if (!readonly) await requireBytes(name, saved, signal)
    else if (!isEqual(unchanging(name), pick(saved))) throw damaged(name, 'it was changed since')
  }
}

const pick = ({ bytes, sha256, changedAt }: ReturnType<typeof unchanging>) => ({ bytes, changedAt, sha256 })

async function requireBytes(path: string, wanted: FileDigest, signal: AbortSignal): Promise<void> {
  const fd = openSync(path, 'r')
  try {
    requireDigest(path, await digestAt({ fd, path }, signal), wanted)
  } finally {
    closeSync(fd)
  }
}

/** @throws KataError CHECKPOINT_DAMAGED. */
export function requireDigest(path: string, { bytes, sha256 }: FileDigest, wanted: FileDigest): void {
  if (bytes !== wanted.bytes) throw damaged(path, `it has ${bytes} bytes, recorded are ${wanted.bytes}`)
  if (sha256 !== wanted.sha256) throw damaged(path, 'its digest is not the recorded one')
}

const damaged = (path: string, reason: string) => new KataError('CHECKPOINT_DAMAGED', { path, reason })
const unusable = (path: string, reason: string) => new KataError('CHECKPOINT_UNUSABLE', { path, reason })
