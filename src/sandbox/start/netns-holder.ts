/**
 * A network namespace for clients that fill it only after Create, by the process that they were told (Docker since its
 * version 26: /proc/PID/ns/net). The VMM's own stays empty, so another process of the pod's user holds this one: it
 * sleeps in a jail like the VMM's.
 */
import { closeSync, constants, openSync } from 'node:fs'
import type { Config } from '../../config/config.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import { processResource } from '../../ledger/process-resource.ts'
import type { Logger } from '../../log.ts'
import { baseSyscalls } from '../../rootless/filters/base-syscalls.ts'
import { launch } from '../../rootless/jail/jail.ts'
import type { Identity } from '../../rootless/jail/launch-spec.ts'
import { expectedPosture, settledPosture } from '../../rootless/posture/posture-check.ts'
import { recordPosture } from '../../rootless/posture/posture-record.ts'
import { confirmWaiter } from '../../rootless/posture/waiter-posture.ts'

const program = '/usr/bin/sleep'
/** That of the jail, on its one thread. */
const seccompFilters = 1

/** Returns the process. @throws KataError, those of jail and posture; no process is left then. */
export function holdNetns(
  ledger: Ledger,
  {
    identity,
    stateDir,
    log,
    config,
    signal,
  }: {
    identity: Identity
    stateDir: string
    log: Logger
    config: Pick<Config, 'hypervisor'>
    signal: AbortSignal
  },
): Promise<{ pid: number }> {
  const output = openSync('/dev/null', constants.O_RDWR)
  const spec = {
    program,
    args: ['infinity'],
    identity: { ...identity, groups: [] },
    paths: [],
    syscalls: { allowed: baseSyscalls },
    fds: [],
    output,
    stateDir,
    landlock: config.hypervisor.landlock,
  }
  return ledger
    .take(processResource, { name: 'netns' }, async (entry) => {
      const expected = expectedPosture(spec, { seccompFilters })
      const { ref, waiter } = await launch(spec, log, { signal })
      entry.amend({ name: 'netns', ref })
      await settledPosture(ref.pid, expected)
      // From now on the client puts its interfaces there.
      const { interfaces: _, ...later } = expected
      recordPosture(stateDir, { name: 'netns-holder', ref, expected: later })
      await confirmWaiter(stateDir, { name: 'netns-holder', ref: waiter, expected: later })
      return { pid: ref.pid }
    })
    .finally(() => closeSync(output))
}
