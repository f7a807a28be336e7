/** Tests that need of a host what not every host has. They are left out elsewhere, with the reason in their name. */
import { test } from 'bun:test'
import { existsSync } from 'node:fs'
import { accelerator } from '../harness/accelerator.ts'
import { vmm } from '../harness/vmm.ts'

type Body = () => Promise<unknown>

/**
 * PCI addresses of two disks, an NVMe and a virtio one, which may be taken from the host and written to: what is on them is
 * lost. Given by KATA_TS_E2E_SPARE_DISKS, the addresses separated by a comma.
 */
export const spareDisks = (process.env.KATA_TS_E2E_SPARE_DISKS ?? '').split(',').filter(Boolean)

/** Whether this host is one to be changed: its containerd restarted, its kvm group given, its files written. */
const isLab = process.env.KATA_TS_E2E_LAB === '1'

const missing = {
  kvm: accelerator === 'kvm' ? undefined : `it is about KVM, and machines run under ${accelerator} here`,
  lab: isLab ? undefined : 'it changes the host: for the lab host alone',
  vsock: existsSync('/dev/vhost-vsock') ? undefined : 'the host has no /dev/vhost-vsock',
  'vhost-net': existsSync('/dev/vhost-net') ? undefined : 'the host has no /dev/vhost-net',
  'spare disks': spareDisks.length === 2 ? undefined : 'no PCI devices were given to take from the host',
  qemu: vmm.driver === 'qemu' ? undefined : `it is about QEMU, not ${vmm.driver}`,
} as const

export type Need = keyof typeof missing

/** Why tests that need all of it are left out here; undefined where they run. */
export const reasonWithout = (needs: readonly Need[]): string | undefined =>
  needs.map((need) => missing[need]).find((text) => text !== undefined)

/** A test for hosts that have all of it. */
export function testWith(needs: readonly Need[], name: string, body: Body, limitMs: number): void {
  const reason = reasonWithout(needs)
  if (reason === undefined) test(name, body, limitMs)
  else test.skip(`${name} (skipped: ${reason})`, body)
}
