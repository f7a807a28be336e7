/**
 * A network namespace for clients that fill it only after Create, by the process that they were told (Docker since its
 * version 26: /proc/PID/ns/net). The VMM's own stays empty, so another process of the pod's user holds this one: it
 * sleeps in a jail like the VMM's.
 */
import { closeSync, constants, openSync } from 'node:fs'
import type { Config } from '../../config/config.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import type { Logger } from '../../log.ts'
import { confine } from '../../rootless/confine.ts'
import { baseSyscalls } from '../../rootless/filters/base-syscalls.ts'
import type { Identity } from '../../rootless/jail/launch-spec.ts'

const program = '/usr/bin/sleep'
/** That of the jail, on its one thread. */
const seccompFilters = 1

export interface NetnsHolderOptions {
  readonly identity: Identity
  readonly stateDir: string
  readonly log: Logger
  readonly config: Pick<Config, 'hypervisor'>
  /** Gives the start up. */
  readonly signal: AbortSignal
}

/** Returns the process. @throws KataError those of {@link confine}; no process is left then. */
export async function holdNetns(
  ledger: Ledger,
  { identity, stateDir, log, config, signal }: NetnsHolderOptions,
): Promise<{ pid: number }> {
  const output = openSync('/dev/null', constants.O_RDWR)
  try {
    const { ref } = await confine(ledger, {
      name: 'netns-holder',
      spec: {
        ...{ program, args: ['infinity'], identity: { ...identity, groups: [] }, paths: [], fds: [] },
        ...{ output, stateDir, landlock: config.hypervisor.landlock },
        syscalls: { allowed: baseSyscalls },
      },
      posture: { seccompFilters },
      // The client puts its interfaces there.
      working: ({ interfaces: _, ...checked }) => checked,
      ...{ stateDir, log, signal },
    })
    return { pid: ref.pid }
  } finally {
    closeSync(output)
  }
}
