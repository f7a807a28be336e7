/** Each wall alone, all at once, and none: what is told of them everywhere comes from this list. */
import { describe, expect, test } from 'bun:test'
import type { Config, HypervisorConfig } from '../../config/config.ts'
import { builtInConfig } from '../../config/load.ts'
import { openWalls, type WallFindings } from './open-walls.ts'

const base = builtInConfig({ cpus: 4, memoryMiB: 8192 })
const kvm: WallFindings = { accelerator: { accelerator: 'kvm', reason: 'it booted' } }
const tcg: WallFindings = { ...kvm, accelerator: { accelerator: 'tcg', reason: 'there is no node' } }

const of = (changes: Partial<HypervisorConfig>, found = kvm, disableGuestSeccomp = false) => {
  const hypervisor = { ...base.hypervisor, ...changes }
  const config: Config = { ...base, hypervisor, runtime: { ...base.runtime, disableGuestSeccomp } }
  return openWalls(config, found)
}

test('with all that we ship, and KVM, every wall stands', () => {
  expect(of({})).toEqual([])
  expect(of({}, { accelerator: { accelerator: 'unknown', reason: 'nothing was tried' } })).toEqual([])
})

describe('one that does not is named with its key, and a remedy', () => {
  test.each([
    ['rootless', of({ rootless: false }), 'the VMM runs as root', 'rootless = true in [hypervisor.qemu]'],
    ['seccomp', of({}, kvm, true), 'without their seccomp profiles', 'disable_guest_seccomp = false'],
    ['kvm', of({}, tcg), 'no security boundary, because KVM cannot be used: there is no node', 'KVM'],
    [
      'virtiofsd',
      of({}, { ...kvm, virtiofsdRootBecause: '/o takes no id map' }),
      'root of this host: /o takes',
      '"unprivileged"',
    ],
    ['landlock', of({}, { ...kvm, landlockProblem: 'no lsm' }), '"best-effort" allows: no lsm', '"required"'],
  ])('%s', (wall, open, what, remedy) => {
    expect(open).toMatchObject([{ wall, quiet: false }])
    expect(open[0]!.what).toContain(what)
    expect(open[0]!.remedy).toContain(remedy)
  })
})

test('emulation that was asked for by name is in the list, but no start repeats it', () => {
  expect(of({ accelerator: 'tcg' }, tcg)).toMatchObject([{ wall: 'kvm', quiet: true }])
  expect(of({ accelerator: 'tcg' }, tcg)[0]!.what).toContain('no security boundary, as accelerator = "tcg"')
})

test('all at once are all told', () => {
  const all = of(
    { rootless: false },
    { ...tcg, virtiofsdRootBecause: 'asked', landlockProblem: 'no lsm' },
    true,
  )
  expect(all.map(({ wall }) => wall)).toEqual(['rootless', 'seccomp', 'kvm', 'virtiofsd', 'landlock'])
})
