/**
 * Reservations of blocks of ids: a directory `<runDir>/uids/<k>` for each, with a file that names the holder. The directory appears and
 * disappears in one step (rename(2)), so it always has that file. It outlives a crash: the block of a dead process is free only after it was
 * cleaned up.
 */
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { needed, record } from '../../json/compounds.ts'
import { readFile } from '../../json/document.ts'
import { JsonMismatch } from '../../json/place.ts'
import { int64, text } from '../../json/values.ts'
import { namesIn } from '../../linux/files/names-in.ts'
import { replaceFile } from '../../linux/files/replace-file.ts'
import { bootId, isAlive, type ProcessRef, readProcessRef } from '../../linux/processes/proc.ts'

export interface ReservationOwner {
  /** The sandbox's name, unique on the host. */
  readonly sandbox: string
  /** Identifies this one taking of the block. */
  readonly token: string
  /** First id of the block: another configuration may count its blocks from another base. */
  readonly first: number
  /** The process that answers for it. */
  readonly process: ProcessRef
  readonly bootId: string
}

const reservationOwner = record<ReservationOwner>({
  sandbox: needed(text),
  token: needed(text),
  first: needed(int64),
  process: needed(readProcessRef),
  bootId: needed(text),
})

/** The directory of all reservations. */
export const reservationsDir = (runDir: string): string => `${runDir}/uids`

/** Takes block `k`; false when it is taken. */
export function reserve(runDir: string, k: number, owner: ReservationOwner): boolean {
  const directory = reservationsDir(runDir)
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const draft = halfMade(runDir, owner.token)
  try {
    mkdirSync(draft, { mode: 0o700 })
    writeFileSync(`${draft}/owner`, JSON.stringify(owner), { mode: 0o600 })
    // Onto a directory that is not empty this fails: reservations never are.
    renameSync(draft, `${directory}/${k}`)
    return true
  } catch (error) {
    rmSync(draft, { recursive: true, force: true })
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOTEMPTY' || code === 'EEXIST') return false
    throw error
  }
}

/** Where a reservation lies until it has its owner file; named by the taking, so that a crash in between can be undone. */
const halfMade = (runDir: string, token: string): string => `${reservationsDir(runDir)}/.new-${token}`
/** Where it lies while it is removed. */
const halfRemoved = (runDir: string, token: string): string => `${reservationsDir(runDir)}/.gone-${token}`

/** Removes what a taking or a giving back that was cut short left. */
export function removeHalves(runDir: string, token: string): void {
  for (const path of [halfMade(runDir, token), halfRemoved(runDir, token)])
    rmSync(path, { recursive: true, force: true })
}

/** Stands for an owner file that cannot be read, because of a power cut or another version of kata-ts. Whether its process lives is unknown. */
const nobody: ReservationOwner = {
  sandbox: 'unknown',
  token: '',
  first: -1,
  process: { pid: 0, startTime: '0' },
  bootId: 'unknown',
}

/** The holder of block `k`, or undefined when it is free. */
export function readOwner(runDir: string, k: number): ReservationOwner | undefined {
  try {
    return readFile(reservationOwner, `${reservationsDir(runDir)}/${k}/owner`)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    if (error instanceof JsonMismatch) return nobody
    throw error
  }
}

/** Whether it is known who holds a block. */
export const isKnown = (owner: ReservationOwner): boolean => owner.token !== ''

/** Makes `owner` the holder of block `k` in place of the dead one with the token `from`; false if that one no longer holds it. */
export function takeOver(runDir: string, k: number, from: string, owner: ReservationOwner): boolean {
  if (readOwner(runDir, k)?.token !== from) return false
  try {
    replaceFile(`${reservationsDir(runDir)}/${k}/owner`, JSON.stringify(owner))
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}

/** Releases block `k`, unless the reservation is no longer `taking`'s. The last step of a release. */
export function unreserve(runDir: string, k: number, taking: string): void {
  if (readOwner(runDir, k)?.token !== taking) return
  const name = taking || 'unknown'
  renameSync(`${reservationsDir(runDir)}/${k}`, halfRemoved(runDir, name))
  removeHalves(runDir, name)
}

/** Blocks that are held. */
export function reservedBlocks(runDir: string): number[] {
  return entries(runDir)
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
}

/** The first ids of all blocks that are held, whichever base they were counted from. */
export function heldIds(runDir: string): Set<number> {
  return new Set(reservedBlocks(runDir).flatMap((k) => readOwner(runDir, k)?.first ?? []))
}

/**
 * Whether a reservation other than that of block `k` has the ids from `first` on. Configurations may count their blocks from different bases,
 * and one block may then have two numbers.
 */
export function areHeldBeside(runDir: string, k: number, first: number): boolean {
  return reservedBlocks(runDir).some((other) => other !== k && readOwner(runDir, other)?.first === first)
}

/** Whether the holder of a block still lives. A holder of an earlier boot does not. @throws KataError PROCESS_ELSEWHERE. */
export function ownerLives(owner: ReservationOwner): boolean {
  return owner.bootId === bootId() && isAlive(owner.process)
}

/** Half-made and half-removed reservations of crashed processes. Nothing reads these names; after a minute they are safe to remove. */
export function removeDrafts(runDir: string, isOld: (path: string) => boolean): void {
  for (const name of entries(runDir)) {
    const path = `${reservationsDir(runDir)}/${name}`
    if (/^\.(new|gone)-/.test(name) && isOld(path)) rmSync(path, { recursive: true, force: true })
  }
}

const entries = (runDir: string): string[] => namesIn(reservationsDir(runDir))
