/** What the process that keeps machines waiting writes down of itself, for `kata-ts factory status`. */
import { existsSync, rmSync } from 'node:fs'
import { KataError } from '../../errors.ts'
import { needed, record } from '../../json/compounds.ts'
import { choice, positive, text } from '../../json/values.ts'
import { replaceFile } from '../../linux/files/replace-file.ts'
import { isAlive, type ProcessRef, readProcessRef } from '../../linux/processes/proc.ts'
import { readState } from '../../rootless/state-file.ts'
import { poolName } from '../records/paths.ts'

/** What a pool server is at. */
export interface PoolState {
  /** `held back`: the host cannot spare what one more machine takes. `failing`: none could be made lately. */
  readonly doing: 'full' | 'filling' | 'held back' | 'failing'
  /** Why it does not fill; empty for one that is full, or fills. */
  readonly reason: string
}

export interface PoolServer extends PoolState {
  readonly process: ProcessRef
  /** Most machines that it has waiting. */
  readonly number: number
}

const readServer = record<PoolServer>({
  process: needed(readProcessRef),
  number: needed(positive),
  doing: needed(choice('full', 'filling', 'held back', 'failing')),
  reason: needed(text),
})

/** Beside the directory of the machines. */
const fileOf = (runDir: string): string => `${runDir}/${poolName}.json`

export function notePoolServer(runDir: string, server: PoolServer): void {
  replaceFile(fileOf(runDir), `${JSON.stringify(server)}\n`)
}

export function forgetPoolServer(runDir: string): void {
  rmSync(fileOf(runDir), { force: true })
}

/** Removes what one has left that was killed, and what cannot be read: one that lives notes it anew. Returns the file, if there was one. */
export function forgetDeadPoolServer(runDir: string): string[] {
  const file = fileOf(runDir)
  if (!existsSync(file) || mayLive(runDir)) return []
  rmSync(file, { force: true })
  return [file]
}

function mayLive(runDir: string): boolean {
  try {
    return findPoolServer(runDir) !== undefined
  } catch (error) {
    if (error instanceof KataError && error.code === 'STATE_UNREADABLE') return false
    throw error
  }
}

/** The one that lives; undefined where there is none. @throws KataError STATE_UNREADABLE. */
export function findPoolServer(runDir: string): PoolServer | undefined {
  const server = readState(readServer, fileOf(runDir))
  return server !== undefined && isAlive(server.process) ? server : undefined
}
