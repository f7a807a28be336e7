/** Each wall alone, all at once, and none: what is told of them everywhere comes from this list. */
import { describe, expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Config, HypervisorConfig } from '../../config/config.ts'
import { builtInConfig, loadConfigText } from '../../config/load.ts'
import { silentLogger } from '../../log.ts'
import { openWalls, type WallFindings } from './open-walls.ts'

const size = { cpus: 4, memoryMiB: 8192 }
const base = builtInConfig(size)
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
    [
      'vmm-seccomp',
      of({ seccompSandbox: 'on,elevateprivileges=deny,spawn=deny' }),
      'does not deny resourcecontrol (seccompsandbox = "on,elevateprivileges=deny,spawn=deny")',
      'Set seccompsandbox = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny" in [hypervisor.qemu].',
    ],
    ['kvm', of({}, tcg), 'no security boundary, because KVM cannot be used: there is no node', 'KVM'],
    [
      'virtiofsd',
      of({}, { ...kvm, virtiofsdRootBecause: '/o takes no id map' }),
      'root of this host: /o takes',
      '"unprivileged"',
    ],
    [
      'suid-volumes',
      of({ virtioFsSuidVolumes: ['/srv/a', '/srv/b'] }),
      'programs in volumes below ["/srv/a","/srv/b"]',
      'virtio_fs_suid_volumes = []',
    ],
    ['landlock', of({}, { ...kvm, landlockProblem: 'no lsm' }), '"best-effort" allows: no lsm', '"required"'],
  ])('%s', (wall, open, what, remedy) => {
    expect(open).toMatchObject([{ wall, quiet: false }])
    expect(open[0]!.what).toContain(what)
    expect(open[0]!.remedy).toContain(remedy)
  })
})

describe('what QEMU’s own filter does not deny is told, and nothing where it denies all', () => {
  const fromFile = (lines: string) => {
    const text = new TextEncoder().encode(lines)
    return openWalls(loadConfigText('/c.toml', text, silentLogger, size), kvm)
  }
  const told = (line: string) =>
    fromFile(`[hypervisor.qemu]\nrootless = true\nseccompsandbox = "${line}"`).map(({ wall, what }) => [
      wall,
      /does not deny (.*) \(/.exec(what)?.[1],
    ])

  test.each([
    ['on', 'elevateprivileges, spawn, resourcecontrol'],
    ['on,obsolete=allow,elevateprivileges=deny,spawn=deny,resourcecontrol=deny', 'obsolete'],
    ['on,elevateprivileges=children,spawn=deny,resourcecontrol=deny', 'elevateprivileges'],
    // The value that Kata recommends.
    ['on,obsolete=deny,spawn=deny,resourcecontrol=deny', 'elevateprivileges'],
    ['on,elevateprivileges=deny,spawn=deny,resourcecontrol=deny,spawn=allow', 'spawn'],
  ])('%s', (line, open) => expect(told(line)).toEqual([['vmm-seccomp', open]]))

  test.each([
    ['which means the whole line', ''],
    ['as we ship it', base.hypervisor.seccompSandbox],
    [
      'in another order, with what QEMU denies by itself left out',
      'on,resourcecontrol=deny,spawn=deny,elevateprivileges=deny',
    ],
    [
      'where the last word about a thing denies it',
      'on,spawn=allow,elevateprivileges=deny,resourcecontrol=deny,spawn=deny',
    ],
  ])('%s', (_, line) => expect(told(line)).toEqual([]))

  test('no other VMM has that key', () => {
    expect(of({ driver: 'clh', seccompSandbox: 'on' })).toEqual([])
    expect(of({ seccompSandbox: 'on' })).toHaveLength(1)
  })
})

test('volumes are listed without effect where nothing is shared, no bits are set at all, or the list names nothing', () => {
  const virtioFsSuidVolumes = ['/srv/a']
  expect(of({ virtioFsSuidVolumes, sharedFs: 'none' })).toEqual([])
  expect(of({ virtioFsSuidVolumes, virtioFsNosuid: true })).toEqual([])
  expect(of({ virtioFsSuidVolumes: [''] })).toEqual([])
})

test('stock files of Kata list none', () => {
  const directory = join(import.meta.dir, '../../config/kata/stock-files')
  const files = readdirSync(directory)
  expect(files).toContain('qemu.toml')
  for (const file of files) {
    const config = loadConfigText(`/${file}`, readFileSync(join(directory, file)), silentLogger, size)
    const names = openWalls(config, kvm).map(({ wall }) => wall)
    expect(names).not.toContain('suid-volumes')
  }
})

test('emulation that was asked for by name is in the list, but no start repeats it', () => {
  expect(of({ accelerator: 'tcg' }, tcg)).toMatchObject([{ wall: 'kvm', quiet: true }])
  expect(of({ accelerator: 'tcg' }, tcg)[0]!.what).toContain('no security boundary, as accelerator = "tcg"')
})

test('all at once are all told', () => {
  const all = of(
    { rootless: false, virtioFsSuidVolumes: ['/srv'], seccompSandbox: 'on' },
    { ...tcg, virtiofsdRootBecause: 'asked', landlockProblem: 'no lsm' },
    true,
  )
  expect(all.map(({ wall }) => wall)).toEqual([
    'vmm-seccomp',
    'rootless',
    'seccomp',
    'kvm',
    'virtiofsd',
    'suid-volumes',
    'landlock',
  ])
})
