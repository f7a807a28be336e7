/**
 * The posture that each process of a running sandbox was checked for, written down beside its ledger: `kata-ts audit`
 * compares the same again at any later time.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import type { ProcessRef } from '../linux/proc.ts'
import type { ExpectedPosture } from './posture-check.ts'

export interface PostureRecord {
  /** What it is for: `vmm`, `virtiofsd` and so on. */
  readonly name: string
  readonly ref: ProcessRef
  readonly expected: ExpectedPosture
}

const directoryOf = (stateDir: string): string => `${stateDir}/postures`

/** Writes one down, in the place of an earlier one of that name. */
export function recordPosture(stateDir: string, record: PostureRecord): void {
  const directory = directoryOf(stateDir)
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const path = `${directory}/${record.name}.json`
  writeFileSync(`${path}.new`, JSON.stringify(record), { mode: 0o600 })
  renameSync(`${path}.new`, path)
}

/** All of a sandbox, by name; none for one that has not come that far. */
export function readPostureRecords(stateDir: string): PostureRecord[] {
  try {
    return readdirSync(directoryOf(stateDir))
      .filter((name) => name.endsWith('.json'))
      .sort()
      .map((name) => JSON.parse(readFileSync(`${directoryOf(stateDir)}/${name}`, 'utf8')) as PostureRecord)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}
