import { afterAll, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { silentLogger } from '../log.ts'
import { type AcceleratorRequest, chooseAccelerator } from './accelerator.ts'

const directory = mkdtempSync(`${tmpdir()}/accelerator-`)
afterAll(() => rmSync(directory, { recursive: true }))

let probes: number
let request: AcceleratorRequest
beforeEach(() => {
  probes = 0
  rmSync(`${directory}/accelerator.json`, { force: true })
  for (const name of ['kernel', 'qemu']) writeFileSync(`${directory}/${name}`, name)
  writeFileSync(`${directory}/capable`, 'processor : 0\nflags\t\t: fpu vmx sse\n')
  writeFileSync(`${directory}/incapable`, 'processor : 0\nflags\t\t: fpu vmxfoo sse\n')
  request = {
    configured: 'auto',
    kernel: `${directory}/kernel`,
    qemuPath: `${directory}/qemu`,
    runDir: directory,
    probe: async () => {
      probes++
      return { works: true, reason: 'it booted' }
    },
    log: silentLogger,
    // Any character device stands for KVM's.
    kvmDevice: '/dev/null',
    cpuinfo: `${directory}/capable`,
  }
})
const failing = async () => {
  probes++
  return { works: false, reason: 'it hung' }
}

test('what is configured is taken without a probe', async () => {
  expect(await chooseAccelerator({ ...request, configured: 'tcg' })).toEqual({
    accelerator: 'tcg',
    reason: 'configured',
  })
  expect(await chooseAccelerator({ ...request, configured: 'kvm' })).toEqual({
    accelerator: 'kvm',
    reason: 'configured',
  })
  expect(probes).toBe(0)
})

test('kvm without a usable device node is refused', () => {
  const missing = { ...request, configured: 'kvm', kvmDevice: `${directory}/none` } as const
  expect(chooseAccelerator(missing)).rejects.toThrow('[KVM_UNUSABLE] accelerator = "kvm" cannot be used:')
  expect(chooseAccelerator({ ...missing, kvmDevice: request.kernel })).rejects.toThrow(/is not a device node/)
})

test('auto probes once and remembers a yes', async () => {
  const first = await chooseAccelerator(request)
  expect(first).toEqual({ accelerator: 'kvm', reason: 'it booted' })
  expect(await chooseAccelerator(request)).toEqual(first)
  expect(probes).toBe(1)
})

test('auto warns once when the guest does not boot, and remembers', async () => {
  const first = await chooseAccelerator({ ...request, probe: failing })
  expect(first.accelerator).toBe('tcg')
  expect(first.warning).toContain('it hung')
  const second = await chooseAccelerator({ ...request, probe: failing })
  expect(second).toEqual({ accelerator: 'tcg', reason: 'it hung' })
  expect(probes).toBe(1)
})

test.each([
  ['no device node', { kvmDevice: `${directory}/none` }],
  ['a CPU without vmx and svm', { cpuinfo: `${directory}/incapable` }],
])('auto needs no probe to see %s', async (_, sign) => {
  const choice = await chooseAccelerator({ ...request, ...sign })
  expect(choice.accelerator).toBe('tcg')
  expect(choice.warning).toContain(choice.reason)
  expect(probes).toBe(0)
})

test.each(['kernel', 'qemu'])('a changed %s voids the answer', async (name) => {
  await chooseAccelerator(request)
  writeFileSync(`${directory}/${name}`, 'another one')
  await chooseAccelerator(request)
  expect(probes).toBe(2)
})

test('an answer of another boot, or garbage, costs a probe and nothing else', async () => {
  writeFileSync(`${directory}/accelerator.json`, '{"key":"another-boot","accelerator":"tcg","reason":"old"}')
  expect((await chooseAccelerator(request)).accelerator).toBe('kvm')
  writeFileSync(`${directory}/accelerator.json`, '{')
  expect((await chooseAccelerator(request)).accelerator).toBe('kvm')
  expect(probes).toBe(2)
})

test('a probe that fails to run means TCG, and a run directory that is gone is no failure', async () => {
  const probe = () => Promise.reject(new Error('no jail'))
  const choice = await chooseAccelerator({ ...request, probe, runDir: `${directory}/gone` })
  expect(choice).toMatchObject({ accelerator: 'tcg', reason: 'no jail' })
})
