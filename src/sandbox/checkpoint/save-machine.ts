/** Saves the machine of a sandbox with its disk, while its guest stands still. */
import { closeSync, fsync, mkdirSync, openSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { KataError } from '../../errors.ts'
import { isDiskFull } from '../../linux/files/disk-full.ts'
import { copySparse, digestOf } from '../../linux/files/sparse-file.ts'
import { version } from '../../version.ts'
import { placeOf } from '../disks/guest-disk.ts'
import type { SandboxParts } from '../sandbox-parts.ts'
import type { PluggedDisk } from '../storage/disks.ts'
import { type CheckpointFacts, checkpointFiles, type SavedDisk, unfinished } from './checkpoint-facts.ts'

export interface SaveRequest {
  /** A path at which nothing is. */
  readonly directory: string
  /** The machine never runs again, so that its disk stays as it is; otherwise a copy of the disk is saved, too. */
  readonly ends: boolean
  /** Aborts it. */
  readonly signal: AbortSignal
}

type Saved = Pick<SandboxParts, 'vmm' | 'disks' | 'machine'>

/** What {@link saveable} has found. */
export interface Saveable {
  readonly key: string
  /** {@link CheckpointFacts.container}. */
  readonly container: string
}

/**
 * Stops the guest and writes all of it. The directory has its name once it is whole. The guest stands still afterwards, whatever comes of it.
 *
 * @throws KataError CHECKPOINT_DISK_FULL, VMM_COMMAND_FAILED; the signal's reason; errors of the system. Nothing is left then.
 */
export async function saveMachine(
  { vmm, disks, machine }: Saved,
  { key, container }: Saveable,
  { directory, ends, signal }: SaveRequest,
): Promise<void> {
  const target = unfinished(directory)
  rmSync(target, { recursive: true, force: true })
  mkdirSync(target, { mode: 0o700 })
  try {
    const path = `${target}/${checkpointFiles.state}`
    await withFile(path, 'wx', async (state) => vmm.save?.({ state }))
    const state = await withFile(path, 'r', async (fd) => {
      const digest = await digestOf(fd, signal)
      // From then on the memory is nowhere else.
      if (ends) await flush(fd)
      return digest
    })
    const copy = ends ? undefined : `${target}/${checkpointFiles.disk}`
    const saved: SavedDisk[] = []
    for (const disk of disks.all) saved.push(await saveDisk(disk, copy, signal))
    const noted: CheckpointFacts = {
      ...{ version: 1, savedBy: version, savedAt: new Date().toISOString(), key, container },
      ...{ accelerator: machine.accelerator.accelerator, plan: machine.plan, state, disks: saved },
      ...{ wasClone: machine.began === 'clone', cards: machine.cards },
    }
    const text = `${JSON.stringify(noted, null, 2)}\n`
    const facts = `${target}/${checkpointFiles.facts}`
    writeFileSync(facts, text, { mode: 0o600 })
    if (ends) for (const written of [facts, target]) await withFile(written, 'r', flush)
    signal.throwIfAborted()
    renameSync(target, directory)
    // It has its name, whatever comes of that.
    if (ends) await withFile(dirname(directory), 'r', flush).catch(() => {})
  } catch (cause) {
    rmSync(target, { recursive: true, force: true })
    throw isDiskFull(cause) ? new KataError('CHECKPOINT_DISK_FULL', { path: directory }, { cause }) : cause
  }
}

async function saveDisk(
  { id, name, address, readonly }: PluggedDisk,
  copy: string | undefined,
  signal: AbortSignal,
): Promise<SavedDisk> {
  const place = { id, place: placeOf(address), readonly }
  if (readonly) return { ...place, ...unchanging(name) }
  const digest = await withFile(name, 'r', (from) =>
    copy === undefined ? digestOf(from, signal) : withFile(copy, 'wx', (to) => copySparse(from, to, signal)),
  )
  return { ...place, ...digest, changedAt: '' }
}

/** What is only read is root's, and nobody writes to it. */
export function unchanging(path: string): Pick<SavedDisk, 'bytes' | 'changedAt' | 'sha256'> {
  const { size, mtimeNs } = statSync(path, { bigint: true })
  return { bytes: Number(size), changedAt: `${mtimeNs}`, sha256: '' }
}

/** Until it is on the disk. Others are answered meanwhile. */
const flush = (fd: number): Promise<void> =>
  new Promise((resolve, reject) => fsync(fd, (error) => (error ? reject(error) : resolve())))

async function withFile<T>(path: string, flags: string, work: (fd: number) => Promise<T>): Promise<T> {
  const fd = openSync(path, flags, 0o600)
  try {
    return await work(fd)
  } finally {
    closeSync(fd)
  }
}
