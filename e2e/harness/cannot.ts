/** Leaves out what the VMM under test cannot pass, by the table in ../vmm-features.ts. */
import { test } from 'bun:test'
import { cannot } from '../vmm-features.ts'
import { vmm } from './vmm.ts'

/** Why the VMM under test cannot pass this one; undefined when it must. */
export const reasonAgainst = (name: string): string | undefined => cannot[vmm.driver][name]

/** A test that some VMM cannot pass: left out with the reason in its name where the table has one. */
export function podTest(name: string, body: () => Promise<unknown>, timeoutMs?: number): void {
  const reason = reasonAgainst(name)
  if (reason === undefined) test(name, body, timeoutMs)
  else test.skip(`${name} (${vmm.driver}: ${reason})`, body)
}
