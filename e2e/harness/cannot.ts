/** Tests of the pod suite that a VMM cannot pass, by their names, each with its reason: one table. */
import { test } from 'bun:test'
import type { HypervisorDriver } from '../../src/config/config.ts'
import { vmm } from './vmm.ts'

export const cannot: Readonly<Record<HypervisorDriver, Readonly<Record<string, string>>>> = {
  qemu: {},
  clh: {
    'accelerator tcg: no group at all': 'it runs with KVM only',
    'QEMU: a paused machine': 'the test is about the other VMM',
    'a value out of range': 'the test is about a key that it does not have',
    'shares the image with other guests; their VMMs hold it open for reading only':
      'it has the image as a loop device, and the test looks for the file itself',
  },
  firecracker: {},
}

/** Why the VMM under test cannot pass this one; undefined when it must. */
export const reasonAgainst = (name: string): string | undefined => cannot[vmm.driver][name]

/** A test that some VMM cannot pass: left out with the reason in its name where the table has one. */
export function podTest(name: string, body: () => Promise<unknown>, timeoutMs?: number): void {
  const reason = reasonAgainst(name)
  if (reason === undefined) test(name, body, timeoutMs)
  else test.skip(`${name} (${vmm.driver}: ${reason})`, body)
}
