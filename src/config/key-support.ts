/** Whether the chosen VMM supports a configuration key. */

import { KataError } from '../errors.ts'
import { isEqual } from '../json/is-equal.ts'
import type { HypervisorDriver } from './config.ts'
import { nameOf } from './drivers.ts'
import type { KeySpec } from './key-spec.ts'
import { pathPatterns, quoteValue } from './value-types.ts'

/** A value that was asked for, and where: a file and line, an option or an annotation. */
export interface AskedValue {
  readonly spec: KeySpec
  readonly value: unknown
  readonly where: string
}

/**
 * A value that a VMM cannot fulfil is an error where the pod would differ without it.
 * @throws KataError CONFIG_VMM_CANNOT
 */
export function requirePossible(driver: HypervisorDriver, asked: AskedValue): void {
  const reason = asked.spec.impossible[driver]
  // A file's whole numbers are bigints.
  const value = typeof asked.value === 'bigint' ? Number(asked.value) : asked.value
  if (reason !== undefined && value !== asked.spec.absent) throw cannot(driver, asked, reason)
}

/** Whether a key without a meaning for the VMM has a value by which nothing is lost: off, or what is so without it. */
export function asksForNothing({ absent, type }: KeySpec, value: unknown): boolean {
  // The lists of what annotations may name ask for nothing.
  if (type === pathPatterns) return true
  const off = value === false || value === 0 || value === '' || (Array.isArray(value) && value.length === 0)
  return off || isEqual(value, absent)
}

/** For values that a person asks for just now. @throws KataError CONFIG_VMM_CANNOT for a key without a meaning */
export function requireSupported(driver: HypervisorDriver, asked: AskedValue): void {
  requirePossible(driver, asked)
  if (!asked.spec.drivers.includes(driver)) throw cannot(driver, asked, 'it has no such setting')
}

function cannot(driver: HypervisorDriver, { spec, value, where }: AskedValue, reason: string): KataError {
  return new KataError('CONFIG_VMM_CANNOT', {
    where,
    asked: `${spec.key} = ${quoteValue(value)}`,
    vmm: nameOf(driver),
    reason,
    possible: spec.drivers.map((other) => `[hypervisor.${other}]`).join(', '),
  })
}
