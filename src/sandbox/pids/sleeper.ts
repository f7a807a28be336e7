/** A process that sleeps in a jail like the VMM's, for clients that are told a process and look at its namespaces. */
import { closeSync, constants, mkdirSync, openSync } from 'node:fs'
import type { Config } from '../../config/config.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import { systemTool } from '../../linux/processes/which.ts'
import type { Logger } from '../../log.ts'
import { type Confined, confine } from '../../rootless/confine.ts'
import { baseSyscalls } from '../../rootless/filters/base-syscalls.ts'
import type { Identity } from '../../rootless/jail/launch-spec.ts'

const program = systemTool('sleep')
/** The jail's filter, on the only thread. */
const seccompFilters = 1

export interface SleeperOptions {
  /** {@link Confined.name}. */
  readonly name: string
  readonly identity: Identity
  readonly stateDir: string
  readonly log: Logger
  readonly config: Pick<Config, 'hypervisor'>
  /** {@link Confined.working}. */
  readonly working?: Confined['working']
  /** Gives the start up. */
  readonly signal: AbortSignal
}

/** Where its jail lies: the jails of one program cannot share a directory. */
export const sleeperDir = (stateDir: string, name: string): string => `${stateDir}/${name}`

/** Returns the process. @throws KataError those of {@link confine}; no process is left then. */
export async function startSleeper(
  ledger: Ledger,
  { name, identity, stateDir, log, config, working, signal }: SleeperOptions,
): Promise<{ pid: number }> {
  const jailDir = sleeperDir(stateDir, name)
  mkdirSync(jailDir, { recursive: true, mode: 0o700 })
  const output = openSync('/dev/null', constants.O_RDWR)
  try {
    const { ref } = await confine(ledger, {
      name,
      spec: {
        program,
        args: ['infinity'],
        identity: { ...identity, groups: [] },
        paths: [],
        fds: [],
        output,
        stateDir: jailDir,
        landlock: config.hypervisor.landlock,
        syscalls: { allowed: baseSyscalls },
      },
      posture: { seccompFilters },
      ...(working !== undefined && { working }),
      stateDir,
      log,
      signal,
    })
    return { pid: ref.pid }
  } finally {
    closeSync(output)
  }
}
