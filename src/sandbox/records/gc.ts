/** `kata-ts gc`: finds what a crash, a lost run directory or a reboot left, and releases it by the same teardown. */
import { statSync } from 'node:fs'
import { describeError } from '../../errors.ts'
import { isIdentifier } from '../../identifier.ts'
import type { Failpoints } from '../../ledger/failpoints.ts'
import { namesIn } from '../../linux/files/names-in.ts'
import { isAlive } from '../../linux/processes/proc.ts'
import { type Logger, silentLogger } from '../../log.ts'
import { sweepRootless } from '../../rootless/identity/sweep.ts'
import type { UidRange } from '../../rootless/identity/uid-range.ts'
import { openLedger, ownerOf, teardown } from '../end/teardown.ts'
import { forgetDeadPoolServer } from '../pool/pool-server.ts'
import { removeDeadSocket } from './dead-socket.ts'
import { sweepDisks } from './disk-sweep.ts'
import { sweepHostRules } from './host-rules-sweep.ts'
import {
  disksDir,
  leaseDir,
  poolName,
  reservedNames,
  type SandboxPaths,
  sandboxPaths,
  waitingPaths,
} from './paths.ts'
import { machineDir } from './state-dir.ts'

export interface Collected {
  /** What was removed: a sandbox, a socket, an account and so on. */
  readonly kind: string
  readonly name: string
  /** Why it is still there, when it could not be removed. */
  readonly failure?: string
}

/** A sandbox without an owner counts as starting until it is this old, milliseconds. */
const startGraceMs = 10_000

/**
 * Releases every sandbox whose shim is dead, and what has no sandbox at all: sockets, and uid reservations, accounts
 * and private directories of `range`, rules of its users, disks of earlier boots. Live sandboxes are left alone.
 */
export async function collectGarbage(options: {
  runDir: string
  range: UidRange
  log: Logger
  /** Faults on purpose, for tests. */
  failpoints?: Failpoints | undefined
}): Promise<Collected[]> {
  const { runDir, range, log, failpoints } = options
  const collected: Collected[] = []
  const collect = async (kind: string, name: string, paths: SandboxPaths) => {
    let isLeft = true
    const look = () => {
      const owner = ownerOf(openLedger(paths, log))
      isLeft = owner === undefined ? !isYoung(paths) : !isAlive(owner)
      return isLeft
    }
    try {
      // No lock is taken on one that lives: its own end may want it.
      if (!look()) return
      await teardown(paths, log, failpoints, look)
      if (isLeft) collected.push({ kind, name })
    } catch (error) {
      // One whose ledger cannot be read keeps the others from nothing.
      collected.push({ kind, name, failure: describeError(error) })
    }
  }
  for (const { namespace, id, paths } of listSandboxes(runDir, log))
    await collect('sandbox', `${namespace}/${id}`, paths)
  for (const { id, paths } of listWaiting(runDir, log)) await collect('waiting machine', id, paths)
  for (const socket of namesIn(`${runDir}/s`)) {
    const what = { kind: 'socket', name: `${runDir}/s/${socket}` }
    const remove = async () => (removeDeadSocket(what.name) ? [what] : [])
    collected.push(...(await attempt(what, remove)))
  }
  const users = async () => {
    const swept = await sweepRootless({ runDir: leaseDir, range }, log)
    return swept.map(({ name, found, error }) => ({ kind: found, name, ...(error && { failure: error }) }))
  }
  const rules = async () => {
    const swept = await sweepHostRules(leaseDir, range)
    return swept.map(({ uid, ...more }) => ({ kind: 'host rules', name: `of user ${uid}`, ...more }))
  }
  const servers = async () => forgetDeadPoolServer(runDir).map((name) => ({ kind: 'pool server', name }))
  const disks = async () => sweepDisks().map(({ path: name, ...more }) => ({ kind: 'disks', name, ...more }))
  collected.push(...(await attempt({ kind: 'users', name: leaseDir }, users)))
  collected.push(...(await attempt({ kind: 'host rules', name: 'of all users' }, rules)))
  collected.push(...(await attempt({ kind: 'disks', name: disksDir }, disks)))
  collected.push(...(await attempt({ kind: 'pool server', name: runDir }, servers)))
  return collected
}

/** What `work` has collected. One that fails is told, and keeps nothing else from being collected. */
async function attempt(what: Collected, work: () => Promise<Collected[]>): Promise<Collected[]> {
  try {
    return await work()
  } catch (error) {
    return [{ ...what, failure: describeError(error) }]
  }
}

/** Every sandbox that has a state directory, alive or not. A directory with an impossible name is passed over and logged. */
export function listSandboxes(
  runDir: string,
  log: Logger = silentLogger,
): { namespace: string; id: string; paths: SandboxPaths }[] {
  const namespaces = namesIn(runDir).filter(
    (name) => !reservedNames.has(name) && isDirectory(`${runDir}/${name}`),
  )
  return identifiers(runDir, namespaces, log).flatMap((namespace) => {
    const directory = `${runDir}/${namespace}`
    return identifiers(directory, namesIn(directory), log).map((id) => ({
      namespace,
      id,
      paths: sandboxPaths(runDir, namespace, id),
    }))
  })
}

/** Every machine that waits for its pod, or is being made, or was left by a crash, by name. One that a pod has taken is that pod's sandbox. */
export function listWaiting(
  runDir: string,
  log: Logger = silentLogger,
): { readonly id: string; readonly paths: SandboxPaths }[] {
  const directory = `${runDir}/${poolName}`
  const waiting = identifiers(directory, namesIn(directory), log).sort()
  if (waiting.length === 0) return []
  const taken = new Set(listSandboxes(runDir).map(({ paths }) => machineDir(paths)))
  return waiting
    .map((id) => ({ id, paths: waitingPaths(runDir, id) }))
    .filter(({ paths }) => !taken.has(paths.stateDir))
}

function identifiers(directory: string, candidates: readonly string[], log: Logger): string[] {
  return candidates.filter((name) => {
    if (!isIdentifier(name))
      log.warn('not a sandbox by its name, passed over', { path: `${directory}/${name}` })
    return isIdentifier(name)
  })
}

/**
 * Where the clock was set back, what was made before that is of a time to come, and not young until then. Older kernels keep no time of birth in a
 * tmpfs; the owner comes right after what changes the directory first.
 */
function isYoung({ stateDir }: SandboxPaths): boolean {
  const changed = statSync(stateDir, { throwIfNoEntry: false })?.mtimeMs ?? 0
  return Math.abs(Date.now() - changed) < startGraceMs
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
}
