/** Saves the machine of a sandbox with its disk, while its guest stands still. */
import { closeSync, mkdirSync, openSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { KataError } from '../../errors.ts'
import { isDiskFull } from '../../linux/files/disk-full.ts'
import { flush, flushFile } from '../../linux/files/flush.ts'
import type { FileDigest } from '../../linux/files/sparse-file.ts'
import { version } from '../../version.ts'
import { placeOf } from '../disks/guest-disk.ts'
import type { SandboxParts } from '../sandbox-parts.ts'
import type { PluggedDisk } from '../storage/disks.ts'
import { type CheckpointFacts, checkpointFiles, type SavedDisk, unfinished } from './checkpoint-facts.ts'
import { copyAt, digestAt, type OpenFile } from './named-copy.ts'

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
 * Stops the guest and writes all of it. The directory has its name once it is whole and on the disk: a machine that ends has nothing else
 * left. The guest stands still afterwards, whatever comes of it.
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
    const state = await withFile(path, 'r', (fd) => flushedDigest({ fd, path }, signal))
    const copy = ends ? undefined : `${target}/${checkpointFiles.disk}`
    const saved: SavedDisk[] = []
    for (const disk of disks.all) saved.push(await saveDisk(disk, copy, signal))
    const noted: CheckpointFacts = {
      version: 1,
      savedBy: version,
      savedAt: new Date().toISOString(),
      key,
      container,
      accelerator: machine.accelerator.accelerator,
      plan: machine.plan,
      state,
      disks: saved,
      wasClone: machine.began === 'clone',
      cards: machine.macs,
    }
    const text = `${JSON.stringify(noted, null, 2)}\n`
    await withFile(`${target}/${checkpointFiles.facts}`, 'wx', async (fd) => {
      writeFileSync(fd, text)
      await flush(fd)
    })
    await flushFile(target)
    signal.throwIfAborted()
    renameSync(target, directory)
    // It has its name, whatever comes of that.
    if (ends) await flushFile(dirname(directory)).catch(() => {})
  } catch (cause) {
    rmSync(target, { recursive: true, force: true })
    throw isDiskFull(cause)
      ? new KataError('CHECKPOINT_DISK_FULL', { path: dirname(directory) }, { cause })
      : cause
  }
}

async function saveDisk(
  { id, name, address, readonly }: PluggedDisk,
  copy: string | undefined,
  signal: AbortSignal,
): Promise<SavedDisk> {
  const place = { id, place: placeOf(address), readonly }
  if (readonly) return { ...place, ...unchanging(name) }
  const digest = await withFile(name, 'r', (fd) =>
    copy === undefined
      ? flushedDigest({ fd, path: name }, signal)
      : withFile(copy, 'wx', async (to) => {
          const copied = await copyAt({ fd, path: name }, { fd: to, path: copy }, signal)
          await flush(to)
          return copied
        }),
  )
  return { ...place, ...digest, changedAt: '' }
}

async function flushedDigest(file: OpenFile, signal: AbortSignal): Promise<FileDigest> {
  await flush(file.fd)
  return digestAt(file, signal)
}

/** What is only read is root's, and nobody writes to it. */
export function unchanging(path: string): Pick<SavedDisk, 'bytes' | 'changedAt' | 'sha256'> {
  const { size, mtimeNs } = statSync(path, { bigint: true })
  return { bytes: Number(size), changedAt: `${mtimeNs}`, sha256: '' }
}

async function withFile<T>(path: string, flags: string, work: (fd: number) => Promise<T>): Promise<T> {
  const fd = openSync(path, flags, 0o600)
  try {
    return await work(fd)
  } finally {
    closeSync(fd)
  }
}
