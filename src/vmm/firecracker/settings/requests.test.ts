import { describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { noDiskLimits } from '../../machine/disk-limit.double.ts'
import type { VmSpec } from '../../vmm.ts'
import { exitOf } from '../jailer.ts'
import { jailerArguments, jailPlace, realProgram, requireName } from '../program.ts'
import { guestNode } from './drive-list.ts'
import { inJail } from './jail-paths.ts'
import { type ApiRequest, machineRequests, patchDrive, putRootDrive } from './requests.ts'

const identity = { name: 'kata-7', uid: 1_879_500_000, gid: 1_879_500_001, groups: [] }
const spec: VmSpec = {
  sandboxId: 'x',
  identity,
  privateDir: '/run/user/1879500000',
  stateDir: '/run/x',
  kernel: '/k',
  initrd: '/i',
  kernelParams: ['last=1'],
  accelerator: 'kvm',
  vcpus: 1,
  maxVcpus: 0,
  memoryMiB: 256,
  maxMemoryMiB: 0,
}
/** A directory of the test's own, gone at the end of its scope. */
function scratch(): Disposable & { path: string } {
  const path = mkdtempSync(`${tmpdir()}/kt-fc-`)
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) }
}
const settings = { ...noDiskLimits, enableHugepages: false, reclaimGuestFreedMemory: false }
const bodyOf = ({ first, rest }: ReturnType<typeof machineRequests>, path: string): unknown =>
  [...first, ...rest].find((request: ApiRequest) => request.path === path)?.body

describe('the machine', () => {
  test.each([
    [1, 1],
    [1.5, 2],
    [3, 3],
    [32, 32],
  ])('of %p processors has %p', (vcpus, vcpu_count) => {
    expect(bodyOf(machineRequests({ ...spec, vcpus }, settings), 'machine-config')).toEqual({
      vcpu_count,
      mem_size_mib: 256,
    })
  })

  test.each([
    ['no processor', { vcpus: 0 }, 'default_vcpus is 0'],
    ['more than it makes', { vcpus: 33 }, 'Firecracker makes 1 to 32'],
    ['no memory', { memoryMiB: 0 }, 'default_memory is 0'],
    ['a card by descriptor', { nics: [{ id: 'n', mac: 'm', mtu: 1, taps: [3] }] }, 'n is a descriptor'],
  ])('with %s is refused', (_, wrong, says) => {
    expect(() => machineRequests({ ...spec, ...wrong }, settings)).toThrow(says)
  })

  test('in huge pages has an even size, and says so to Firecracker', () => {
    const inHugePages = { ...settings, enableHugepages: true }
    expect(bodyOf(machineRequests(spec, inHugePages), 'machine-config')).toMatchObject({ huge_pages: '2M' })
    expect(() => machineRequests({ ...spec, memoryMiB: 257 }, inHugePages)).toThrow('an even number of MiB')
  })

  test('gives back what the guest frees, by a balloon that takes nothing', () => {
    expect(bodyOf(machineRequests(spec, settings), 'balloon')).toBeUndefined()
    expect(bodyOf(machineRequests(spec, { ...settings, reclaimGuestFreedMemory: true }), 'balloon')).toEqual({
      amount_mib: 0,
      deflate_on_oom: true,
      free_page_reporting: true,
    })
  })

  test('limits each drive, its root included, and begins anew with another file', () => {
    const limited = { ...settings, diskRateLimiterBwMaxRate: 8e6, diskRateLimiterOpsMaxRate: 100 }
    const limiter = {
      bandwidth: { size: 1e6, refill_time: 1000 },
      ops: { size: 100, refill_time: 1000 },
    }
    const { rest } = machineRequests(spec, limited)
    const drives = rest.filter(({ path }) => path.startsWith('drives/')).map(({ body }) => body)
    expect(drives).toHaveLength(10)
    for (const drive of drives) expect(drive).toMatchObject({ rate_limiter: limiter })
    for (const request of [putRootDrive('/d', limiter), patchDrive('spare0', '/d', limiter)])
      expect(request.body).toMatchObject({ rate_limiter: limiter })
    for (const request of [putRootDrive('/d'), patchDrive('spare0', '/d')])
      expect(request.body).not.toHaveProperty('rate_limiter')
  })

  test('boots from files of its jail, told that there is no PCI, the configured parameters last', () => {
    const { kernel_image_path, initrd_path, boot_args } = bodyOf(
      machineRequests(spec, settings),
      'boot-source',
    ) as Record<string, string>
    expect([kernel_image_path, initrd_path]).toEqual([inJail.kernel, inJail.initrd])
    expect(boot_args).toMatch(
      / pci=off reboot=k agent.power_off=restart agent.server_addr=vsock:\/\/-1:1024 last=1$/,
    )
  })

  test('has no device that the guest has no driver for', () => {
    const { first, rest } = machineRequests(spec, settings)
    expect([...first, ...rest].map(({ path }) => path.split('/')[0])).toEqual([
      ...['machine-config', 'boot-source', ...Array<string>(10).fill('drives'), 'vsock'],
    ])
  })

  test('has its root as the first drive, read-only, and spare ones behind it', () => {
    expect(putRootDrive('/drives/root').body).toMatchObject({ is_read_only: true, is_root_device: false })
    const { rest } = machineRequests(spec, settings)
    const drives = rest.filter(({ path }) => path.startsWith('drives/'))
    expect(drives.map(({ body }) => (body as { is_read_only: boolean }).is_read_only)).toEqual([
      ...Array(8).fill(false),
      ...Array(2).fill(true),
    ])
    expect([0, 9].map((slot) => guestNode(slot, {}))).toEqual(['/dev/vda', '/dev/vdj'])
    expect(guestNode(0, { rootDisk: { image: '/d', fsType: 'ext4' } })).toBe('/dev/vdb')
  })
})

describe('a machine that Firecracker has no room for is refused by name', () => {
  const nics = (count: number) =>
    Array.from({ length: count }, (_, index) => ({
      id: `n${index}`,
      mac: 'm',
      mtu: 1,
      taps: [],
      tap: `t${index}`,
    }))
  const make = (more: Partial<VmSpec>, reclaimGuestFreedMemory = false) =>
    machineRequests({ ...spec, ...more }, { ...settings, reclaimGuestFreedMemory })

  test('network cards, beside what else takes an interrupt', () => {
    const rootDisk = { image: '/d', fsType: 'ext4' } as const
    expect(make({ nics: nics(6) }).rest.filter(({ path }) => path.startsWith('network'))).toHaveLength(6)
    expect(() => make({ nics: nics(7) })).toThrow('has 7 network cards')
    expect(() => make({ nics: nics(7) })).toThrow('room for 6')
    expect(() => make({ nics: nics(5), rootDisk }, true)).toThrow('room for 4')
    expect(() => make({ nics: nics(4), rootDisk }, true)).not.toThrow()
  })

  test('kernel parameters, with what it adds itself', () => {
    const most = 2047 - ' pci=off'.length - 11 * ' virtio_mmio.device=4K@0xd0001000:23'.length
    const own = Buffer.byteLength(
      (bodyOf(make({ kernelParams: [] }), 'boot-source') as { boot_args: string }).boot_args,
    )
    const filled = (bytes: number) => make({ kernelParams: ['x'.repeat(bytes - own - 1)] })
    expect(() => filled(most)).not.toThrow()
    expect(() => filled(most + 7)).toThrow(`[VMM_OPTION_INVALID]`)
    expect(() => filled(most + 7)).toThrow('shorten kernel_params by 7')
  })
})

describe('the jailer', () => {
  const place = jailPlace('/usr/bin/firecracker', spec.privateDir, identity)

  test('gets the user’s own ids, a new pid namespace and limits; never a cgroup, a daemon or root', () => {
    const args = jailerArguments({ execFile: '/usr/bin/firecracker', identity, place, debug: false })
    expect(args.join(' ')).toBe(
      '--id kata-7 --exec-file /usr/bin/firecracker --uid 1879500000 --gid 1879500001 ' +
        '--chroot-base-dir /run/user/1879500000/jail --resource-limit no-file=1024 --new-pid-ns ' +
        '-- --api-sock /run/api.sock --log-path /log --level Error',
    )
  })

  test('enters the pod’s network namespace when there is one', () => {
    const request = { execFile: '/usr/bin/firecracker', identity, place, debug: true, netns: '/run/netns/x' }
    expect(jailerArguments(request).join(' ')).toContain('--netns /run/netns/x -- ')
  })

  test('is not asked to start what it refuses by its name, which is a matter of its version', async () => {
    using directory = scratch()
    const jailer = (version: string) => {
      const path = `${directory.path}/jailer-${version}`
      writeFileSync(path, `#!/bin/sh\necho 'Jailer ${version}'\n`, { mode: 0o755 })
      return path
    }
    await requireName('/opt/firecracker-v1.8.0-x86_64', jailer('v1.8.0'))
    await requireName('/opt/fc', jailer('v1.13.0'))
    await expect(requireName('/opt/fc', jailer('v1.12.1'))).rejects.toThrow(
      /^\[VMM_OPTION_INVALID\].*path leads to \/opt\/fc.*1\.12\.1.*before 1\.13/,
    )
    await expect(requireName('/opt/fc', jailer('says nothing'))).rejects.toThrow('unknown version')
  })

  test('names the jail after the file that a link leads to', () => {
    using directory = scratch()
    const [file, link] = [`${directory.path}/firecracker-v1.16.1-x86_64`, `${directory.path}/firecracker`]
    writeFileSync(file, '')
    symlinkSync(file, link)
    expect(jailPlace(realProgram(link), spec.privateDir, identity).root).toBe(
      '/run/user/1879500000/jail/firecracker-v1.16.1-x86_64/kata-7/root',
    )
    expect(realProgram('/absent')).toBe('/absent')
  })

  test('is not asked to start what nobody could connect to', () => {
    const long = `/opt/firecracker-${'x'.repeat(60)}`
    expect(() => jailPlace(long, spec.privateDir, identity)).toThrow('[SOCKET_PATH_TOO_LONG]')
  })
})

test.each([
  [0, { code: 0, signal: null }],
  [148 << 8, { code: 148, signal: null }],
  [9, { code: null, signal: 'SIGKILL' }],
  [31 | 0x80, { code: null, signal: 'SIGSYS' }],
])('the status %p of a process is told', (status, exit) => {
  expect(exitOf(status)).toEqual(exit as ReturnType<typeof exitOf>)
})
