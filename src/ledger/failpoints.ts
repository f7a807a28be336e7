/**
 * Faults on purpose, one for every moment at which a holding is taken or released: that nothing is left behind after a
 * crash is shown by crashing there, and not by hoping. They are asked for in the environment of a process, which only
 * the runtime's parent can set:
 *
 *   KATA_TS_FAILPOINTS=before-take:account=kill,delete/after-release:process=fail
 *
 * that is `[ROLE/]POINT:KIND=ACT`, separated by commas; without a role it is the shim's daemon that fails. The file that
 * KATA_TS_FAILPOINTS_REACHED names gets a line for each one reached, as the process may not live to tell. What is held goes
 * on once the file that KATA_TS_FAILPOINTS_HOLD names is gone.
 */
import { appendFileSync, existsSync } from 'node:fs'
import { KataError } from '../errors.ts'
import type { Logger } from '../log.ts'
import { until } from '../time.ts'

const failpointVariable = 'KATA_TS_FAILPOINTS'
const reachedVariable = 'KATA_TS_FAILPOINTS_REACHED'
const holdVariable = 'KATA_TS_FAILPOINTS_HOLD'
/** The longest hold, milliseconds: a test that died leaves nothing that waits for it. */
const holdMs = 120_000

/** Moments around a holding, which stands written in the ledger at all but the last. */
const faultPoints = ['before-take', 'after-take', 'before-release', 'after-release'] as const
export type FaultPoint = (typeof faultPoints)[number]

/** An error; an operation that never ends; one that takes as long as a file is there; SIGKILL of the process. */
const faultActs = ['fail', 'hang', 'hold', 'kill'] as const
export type FaultAct = (typeof faultActs)[number]

/** Which process is meant: the shim's daemon, its `delete` action, or `kata-ts gc`. */
const faultRoles = ['serve', 'delete', 'gc'] as const
export type FaultRole = (typeof faultRoles)[number]

export interface Failpoints {
  /** Does what was asked for at this point of this kind of holding; nothing in all but tests. @throws KataError FAILPOINT. */
  reach(point: FaultPoint, kind: string): Promise<void>
}

const fault = new RegExp(
  `^(?:(${faultRoles.join('|')})/)?(${faultPoints.join('|')}):([a-z][a-z-]*)=(${faultActs.join('|')})$`,
)

/**
 * The faults asked for of a process with this role; undefined, which costs nothing, when there are none.
 *
 * @throws KataError FAILPOINT_INVALID: a misspelt one would show that everything is fine.
 */
export function failpointsOf(
  role: FaultRole,
  env: Readonly<Record<string, string | undefined>>,
  log: Logger,
): Failpoints | undefined {
  const asked = new Map<string, FaultAct>()
  for (const entry of (env[failpointVariable] ?? '').split(',').filter((text) => text !== '')) {
    const [, of = 'serve', point, kind, act] = fault.exec(entry) ?? []
    if (act === undefined) throw new KataError('FAILPOINT_INVALID', { entry, variable: failpointVariable })
    if (of === role) asked.set(`${point}:${kind}`, act as FaultAct)
  }
  if (asked.size === 0) return undefined
  const notes = env[reachedVariable]
  return {
    async reach(point, kind) {
      const name = `${point}:${kind}`
      const act = asked.get(name)
      if (act === undefined) return
      log.warn('failpoint reached', { name, act })
      if (notes !== undefined) appendFileSync(notes, `${role}/${name}\n`)
      if (act === 'kill') process.kill(process.pid, 'SIGKILL')
      if (act === 'hold') {
        const file = env[holdVariable] ?? ''
        await until(() => !existsSync(file), { timeoutMs: holdMs, everyMs: 20 })
        return
      }
      if (act === 'hang') await new Promise<never>(() => {})
      throw new KataError('FAILPOINT', { name })
    },
  }
}
