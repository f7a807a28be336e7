/**
 * Records of the posture for which each process of a running sandbox was checked, beside its ledger. `kata-ts audit` repeats the comparison at
 * any later time.
 */
import { mkdirSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { needed, record } from '../../json/compounds.ts'
import { choice, text } from '../../json/values.ts'
import { replaceFile } from '../../linux/files/replace-file.ts'
import { type ProcessRef, readProcessRef } from '../../linux/processes/proc.ts'
import type { LandlockState } from '../filters/landlock.ts'
import { expectedPostureReader } from '../posture-reader.ts'
import { readState } from '../state-file.ts'
import type { ExpectedPosture } from './posture-check.ts'

export interface PostureRecord {
  /** The role of the process: `vmm`, `virtiofsd` and so on. */
  readonly name: string
  readonly ref: ProcessRef
  readonly expected: ExpectedPosture
  /** The launcher's proof. Landlock cannot be read back from a process, and cannot be removed from it. */
  readonly landlock?: LandlockState | undefined
}

const postureRecordReader = () =>
  record<PostureRecord>({
    name: needed(text),
    ref: needed(readProcessRef),
    expected: needed(expectedPostureReader()),
    landlock: choice('enforced', 'none'),
  })

const directoryOf = (stateDir: string): string => `${stateDir}/postures`

/** Writes a record, replacing an earlier one of that name. */
export function recordPosture(stateDir: string, posture: PostureRecord): void {
  const directory = directoryOf(stateDir)
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  replaceFile(`${directory}/${posture.name}.json`, JSON.stringify(posture))
}

/**
 * Notes that the process got these descriptors of ours later; or, with none, that it has given back
 * those it got under `key`. Does nothing without a record.
 */
export function recordHandover(
  stateDir: string,
  name: string,
  { key, fds }: { readonly key: string; readonly fds: readonly number[] },
): void {
  const record = readPostureRecords(stateDir).find((known) => known.name === name)
  if (record === undefined) return
  const { [key]: _, ...others } = record.expected.handedOver ?? {}
  const targets = fds.map((fd) => readlinkSync(`/proc/self/fd/${fd}`))
  const handedOver = targets.length === 0 ? others : { ...others, [key]: targets }
  recordPosture(stateDir, { ...record, expected: { ...record.expected, handedOver } })
}

/** Removes the records of a process and of its waiter, before the process is ended. */
export function forgetPosture(stateDir: string, name: string): void {
  for (const record of [name, `${name}-waiter`])
    rmSync(`${directoryOf(stateDir)}/${record}.json`, { force: true })
}

/** Removes the records of a sandbox that is being ended, because its processes may now end. */
export function forgetPostures(stateDir: string): void {
  rmSync(directoryOf(stateDir), { recursive: true, force: true })
}

/** A sandbox's records, sorted by name; none if its processes have not been checked yet. @throws KataError STATE_UNREADABLE. */
export function readPostureRecords(stateDir: string): PostureRecord[] {
  const reader = postureRecordReader()
  try {
    return (
      readdirSync(directoryOf(stateDir))
        .filter((name) => name.endsWith('.json'))
        .map((name) => readState(reader, `${directoryOf(stateDir)}/${name}`))
        // It was removed after the directory was read.
        .filter((found) => found !== undefined)
        .sort((a, b) => (a.name < b.name ? -1 : 1))
    )
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}
