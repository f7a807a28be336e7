import { afterAll, beforeEach, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { silentLogger } from '../../log.ts'
import { type AcceleratorRequest, chooseAccelerator, forecastAccelerator } from './accelerator.ts'

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
    program: `${directory}/qemu`,
    runDir: directory,
    probe: async () => {
      probes++
      return { works: true, reason: 'it booted' }
    },
    probeMs: 1000,
    variant: 'usual',
    log: silentLogger,
    byGroup: false,
    // Any character device stands for KVM's.
    kvmDevice: '/dev/null',
    cpuinfo: `${directory}/capable`,
  }
})
const failing = async () => {
  probes++
  return { works: false, reason: 'it hung' }
}

describe('what is configured', () => {
  test('is taken without a probe', async () => {
    for (const configured of ['tcg', 'kvm'] as const)
      expect(await chooseAccelerator({ ...request, configured })).toEqual({
        accelerator: configured,
        reason: 'configured',
      })
    expect(probes).toBe(0)
  })

  test('kvm without a usable device node is refused', async () => {
    const missing = { ...request, configured: 'kvm', kvmDevice: `${directory}/none` } as const
    await expect(chooseAccelerator(missing)).rejects.toThrow(
      '[KVM_UNUSABLE] accelerator = "kvm" cannot be used:',
    )
    await expect(chooseAccelerator({ ...missing, kvmDevice: request.kernel })).rejects.toThrow(
      /is not a device node/,
    )
  })

  test.each([
    [
      'capable',
      /none does not exist: kvm_intel or kvm_amd is not loaded\. If the CPU shows vmx or svm, load/,
    ],
    ['incapable', /the CPU shows neither vmx nor svm, and \S+none does not exist\. /],
  ])('and whether a driver can help is told: a CPU that is %s', async (cpu, told) => {
    const missing = { ...request, configured: 'kvm', kvmDevice: `${directory}/none` } as const
    await expect(chooseAccelerator({ ...missing, cpuinfo: `${directory}/${cpu}` })).rejects.toThrow(told)
  })

  test('kvm on a processor that does not show it is tried: a software KVM may be there', async () => {
    const choice = chooseAccelerator({ ...request, configured: 'kvm', cpuinfo: `${directory}/incapable` })
    expect(await choice).toEqual({ accelerator: 'kvm', reason: 'configured' })
  })
})

describe('auto, by a trial', () => {
  test('probes once and remembers a yes', async () => {
    const first = await chooseAccelerator(request)
    expect(first).toEqual({ accelerator: 'kvm', reason: 'it booted' })
    expect(await chooseAccelerator(request)).toEqual(first)
    expect(probes).toBe(1)
  })

  test('a failure holds for that start alone; the next start tries again', async () => {
    const first = await chooseAccelerator({ ...request, probe: failing })
    expect(first).toEqual({ accelerator: 'tcg', reason: 'it hung' })
    const second = await chooseAccelerator(request)
    expect(second).toEqual({ accelerator: 'kvm', reason: 'it booted' })
    expect(probes).toBe(2)
  })

  test('a failure while KVM was known to work is not even tried', async () => {
    await chooseAccelerator(request)
    expect((await chooseAccelerator({ ...request, probe: failing })).accelerator).toBe('kvm')
  })

  test.each([
    ['a yes', async () => ({ works: true, reason: 'it booted' }), 'kvm'],
    ['a no', async () => ({ works: false, reason: 'it hung' }), 'tcg'],
  ] as const)('starts of the same moment share one trial: %s', async (_, outcome, accelerator) => {
    const probe = async () => {
      probes++
      await Bun.sleep(30)
      return outcome()
    }
    const starts = Array.from({ length: 4 }, () => chooseAccelerator({ ...request, probe }))
    expect((await Promise.all(starts)).map((choice) => choice.accelerator)).toEqual(
      Array(4).fill(accelerator),
    )
    expect(probes).toBe(1)
  })

  test('a machine that was asked for otherwise is tried for itself, unless KVM is known to work', async () => {
    const odd = chooseAccelerator({ ...request, variant: 'panics at once', probe: failing })
    const usual = chooseAccelerator(request)
    const late = chooseAccelerator({ ...request, variant: 'panics at once', probe: failing })
    const choices = await Promise.all([odd, usual, late])
    expect(choices.map(({ accelerator }) => accelerator)).toEqual(['tcg', 'kvm', 'kvm'])
    expect(probes).toBe(2)
  })

  test.each(['kernel', 'qemu'])('a changed %s voids the answer', async (name) => {
    await chooseAccelerator(request)
    writeFileSync(`${directory}/${name}`, 'another one')
    await chooseAccelerator(request)
    expect(probes).toBe(2)
  })

  test('an answer of another boot, of another layout, or garbage costs a probe and nothing else', async () => {
    for (const text of [
      '{"key":"another-boot","works":false,"reason":"old","at":1}',
      '{"key":"another-boot","accelerator":"tcg","reason":"old"}',
      '{',
    ]) {
      writeFileSync(`${directory}/accelerator.json`, text)
      expect((await chooseAccelerator(request)).accelerator).toBe('kvm')
    }
    expect(probes).toBe(3)
  })

  test('a probe that fails to run means TCG, and a run directory that is gone is no failure', async () => {
    const probe = () => Promise.reject(new Error('no jail'))
    const choice = await chooseAccelerator({ ...request, probe, runDir: `${directory}/gone` })
    expect(choice).toMatchObject({ accelerator: 'tcg', reason: 'no jail' })
  })
})

const isRoot = process.getuid?.() === 0
if (!isRoot) console.log('skipped: only root can make device nodes')

describe('auto, at a glance', () => {
  const signs: [string, Partial<AcceleratorRequest>, string][] = [
    ['no device node', { kvmDevice: `${directory}/none` }, 'does not exist'],
    ['a CPU without vmx and svm', { cpuinfo: `${directory}/incapable` }, 'neither vmx nor svm'],
  ]

  test.each(signs)('%s is seen without a probe, at every start', async (_, sign, reason) => {
    for (let start = 0; start < 2; start++) {
      const choice = await chooseAccelerator({ ...request, ...sign })
      expect(choice.accelerator).toBe('tcg')
      expect(choice.reason).toContain(reason)
    }
    expect(probes).toBe(0)
    expect(statSync(`${directory}/accelerator.json`, { throwIfNoEntry: false })).toBeUndefined()
    // What was in the way has gone.
    expect((await chooseAccelerator(request)).accelerator).toBe('kvm')
  })

  test.skipIf(!isRoot)('so is a node that no driver is behind', async () => {
    const kvmDevice = `${directory}/kvm`
    // Block and character numbers that nobody has: opening gives ENXIO or ENODEV.
    Bun.spawnSync(['/usr/bin/mknod', kvmDevice, 'c', '10', '254'])
    const choice = await chooseAccelerator({ ...request, kvmDevice })
    expect(choice.reason).toMatch(/no driver is behind .*kvm/)
    await expect(chooseAccelerator({ ...request, configured: 'kvm', kvmDevice })).rejects.toThrow(
      '[KVM_UNUSABLE]',
    )
  })

  test('so is a node whose group can be handed to nobody, where the group is the way to it', async () => {
    // /dev/null belongs to group root.
    const choice = await chooseAccelerator({ ...request, byGroup: true })
    expect(choice.accelerator).toBe('tcg')
    expect(choice.reason).toContain('/dev/null belongs to group 0')
    expect(probes).toBe(0)
  })
})

describe('what check and env know before a start', () => {
  test('what is configured, what is in the way, and that nothing was tried', () => {
    const of = (more: Partial<AcceleratorRequest>) => forecastAccelerator({ ...request, ...more })
    expect(of({ configured: 'tcg' })).toEqual({ accelerator: 'tcg', reason: 'configured' })
    expect(of({ kvmDevice: `${directory}/none` })).toMatchObject({ accelerator: 'tcg' })
    expect(of({})).toEqual({
      accelerator: 'unknown',
      reason: 'no guest was booted with KVM yet: the next start tries',
    })
  })

  test('and what the last trial came to', async () => {
    await chooseAccelerator({ ...request, probe: failing })
    const failed = forecastAccelerator(request)
    expect(failed.accelerator).toBe('unknown')
    expect(failed.failure?.reason).toBe('it hung')
    expect(failed.reason).toMatch(/^the last trial failed at 20.*Z \(it hung\): the next start tries again$/)
    await chooseAccelerator(request)
    expect(forecastAccelerator(request)).toEqual({ accelerator: 'kvm', reason: 'it booted' })
    expect(probes).toBe(2)
  })
})
