/**
 * The directory of a sandbox. A machine that waited for its pod keeps the directory in which it waited: ledger and mounts name it. The
 * pod's own name is then a link to it.
 */
import { existsSync, lstatSync, mkdirSync, readlinkSync, rmSync, symlinkSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { KataError } from '../../errors.ts'
import { isIdentifier } from '../../identifier.ts'
import { poolName, type SandboxPaths } from './paths.ts'

type Place = Pick<SandboxPaths, 'stateDir' | 'name'>

/** The directory itself, which need not exist. A link that leads anywhere but to the pool is none of ours, and is not followed. */
export function machineDir({ stateDir }: Place): string {
  if (!lstatSync(stateDir, { throwIfNoEntry: false })?.isSymbolicLink()) return stateDir
  const target = readlinkSync(stateDir)
  const isOurs = dirname(target) === `../${poolName}` && isIdentifier(basename(target))
  return isOurs ? join(dirname(stateDir), target) : stateDir
}

/** Claims the name of a sandbox for a machine that waited. @throws KataError SANDBOX_EXISTS. */
export function nameMachine(waiting: Place, { stateDir }: Place): void {
  mkdirSync(dirname(stateDir), { recursive: true, mode: 0o700 })
  try {
    symlinkSync(`../${poolName}/${basename(waiting.stateDir)}`, stateDir)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause
    throw new KataError('SANDBOX_EXISTS', { path: stateDir }, { cause })
  }
}

/** Removes the directory of a sandbox that holds nothing any more. The name goes first: a directory without one is found in the pool. */
export function removeState(place: Place): void {
  const directory = machineDir(place)
  const name = place.name ?? place.stateDir
  if (directory !== name) rmSync(name, { force: true })
  rmSync(directory, { recursive: true, force: true })
}

/** Removes a name whose directory was removed by hand. */
export function removeDanglingName(place: Place): void {
  const directory = machineDir(place)
  if (directory !== place.stateDir && !existsSync(directory)) rmSync(place.stateDir, { force: true })
}
