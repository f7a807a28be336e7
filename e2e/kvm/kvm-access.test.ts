// test:vmm: qemu
/**
 * /dev/kvm by its group, by a descriptor, and mended by `kata-ts check --fix-kvm`: on a node of the test's own, which stands in
 * its mount namespace where the host's does.
 */
import { afterAll, beforeAll, expect } from 'bun:test'
import { chmodSync, chownSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { bindMount, unmount } from '../../src/linux/mounts/mount.ts'
import { readPosture } from '../../src/rootless/posture/posture.ts'
import { tool } from '../harness/host/disks.ts'
import { type HostState, hostState, leftBehind } from '../harness/host/host.ts'
import { Kata } from '../harness/kata.ts'
import { slow } from '../harness/time.ts'
import { shippedConfiguration } from '../harness/vmm.ts'
import { reasonWithout, testWith } from './only.ts'

const limitMs = slow(120_000)
let kata: Kata
let before: HostState
let directory: string
const needs = ['kvm', 'qemu'] as const
const isRun = reasonWithout(needs) === undefined

beforeAll(() => {
  if (!isRun) return
  kata = new Kata()
  // Device nodes work there.
  directory = mkdtempSync('/dev/kata-ts-e2e-')
  tool(['mknod', `${directory}/kvm`, 'c', '10', '232'])
  bindMount(`${directory}/kvm`, '/dev/kvm')
  before = hostState(kata.runDir)
})
afterAll(async () => {
  if (!isRun) return
  await kata.close()
  unmount('/dev/kvm')
  rmSync(directory, { recursive: true, force: true })
})

/** As a host without udev's rules has it. */
function closeNode(): void {
  chownSync('/dev/kvm', 0, 0)
  chmodSync('/dev/kvm', 0o600)
}

function configurationWith(kvmAccess: string): string {
  const file = `${kata.stateDir}/${kvmAccess}.toml`
  const text = shippedConfiguration().replace(/^kvm_access = .*$/m, `kvm_access = "${kvmAccess}"`)
  writeFileSync(file, text.replace(/^accelerator = .*$/m, 'accelerator = "kvm"'))
  return file
}

testWith(
  needs,
  'a node that is root’s alone is refused where the group is asked for',
  async () => {
    closeNode()
    const { code, stderr } = await kata.run(['true'], { flags: ['--config', configurationWith('group')] })
    expect({ code, stderr }).toEqual({ code: 125, stderr: expect.stringContaining('[KVM_GROUP_UNUSABLE]') })
    expect(leftBehind(before, hostState(kata.runDir))).toEqual([])
  },
  limitMs,
)

testWith(
  needs,
  'by a descriptor the guest boots on it: no group, no node in the jail, and the host’s stays as it was',
  async () => {
    closeNode()
    const flags = ['--name', 'by-descriptor', '--config', configurationWith('descriptor')]
    const { code, stderr } = await kata.call(['run', '-d', ...flags, '--', 'sleep', '3000'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const { sandbox } = await kata.inspect('by-descriptor')
    const { threads, mounts, descriptors } = readPosture(sandbox.vmmPid)
    expect(threads.flatMap(({ groups }) => groups)).toEqual([])
    expect(mounts.map(({ point }) => point)).not.toContain('/dev/kvm')
    expect(Object.values(descriptors)).toContain('/dev/kvm')
    expect(await kata.call(['audit', 'by-descriptor'])).toMatchObject({ code: 0 })
    const { uid, gid, mode } = statSync('/dev/kvm')
    expect({ uid, gid, mode: mode & 0o777 }).toEqual({ uid: 0, gid: 0, mode: 0o600 })
    expect(await kata.call(['rm', '-f', 'by-descriptor'])).toMatchObject({ code: 0 })
    expect(leftBehind(before, hostState(kata.runDir))).toEqual([])
  },
  limitMs,
)

testWith(
  ['lab', ...needs],
  'check says so, check --fix-kvm mends it, and the guest boots by the group',
  async () => {
    closeNode()
    const config = configurationWith('group')
    const found = await kata.call(['check', '--config', config])
    expect(found.stdout).toMatch(/^kvm +(failed|error|warning)/m)
    const mended = await kata.call(['check', '--fix-kvm', '--config', config])
    expect(mended.stdout).toMatch(/^kvm +ok/m)
    expect(statSync('/dev/kvm').mode & 0o777).toBe(0o660)
    const { code, stdout } = await kata.run(['echo', 'booted'], { flags: ['--config', config] })
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'booted\n' })
    expect(leftBehind(before, hostState(kata.runDir))).toEqual([])
  },
  limitMs,
)
