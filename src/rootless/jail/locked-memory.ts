/** How much memory a confined process may lock: this process sets the limit, so it has to be allowed to. */
import { readFileSync } from 'node:fs'
import { KataError } from '../../errors.ts'
import { capabilityMask } from '../../linux/processes/capabilities.ts'

export interface LockRights {
  /** RLIMIT_MEMLOCK, the hard one, bytes. */
  readonly hard: number
  /** Whether it may be raised. */
  readonly mayRaise: boolean
}

/** The limits of this process. */
export function lockRights(proc = '/proc/self'): LockRights {
  const limit = /^Max locked memory +\S+ +(\S+)/m.exec(readFileSync(`${proc}/limits`, 'utf8'))?.[1]
  const effective = /^CapEff:\s*([0-9a-f]+)/m.exec(readFileSync(`${proc}/status`, 'utf8'))?.[1] ?? '0'
  return {
    hard: limit === 'unlimited' ? Number.POSITIVE_INFINITY : Number(limit ?? 0),
    mayRaise: (BigInt(`0x${effective}`) & capabilityMask(['sys_resource'])) !== 0n,
  }
}

/** @throws KataError JAIL_MEMORY_LOCK. */
export function requireLockable(program: string, wantedMiB: number, rights = lockRights()): void {
  if (rights.mayRaise || rights.hard >= wantedMiB * 1024 ** 2) return
  throw new KataError('JAIL_MEMORY_LOCK', {
    program,
    wantedMiB,
    allowedMiB: Math.floor(rights.hard / 1024 ** 2),
  })
}
