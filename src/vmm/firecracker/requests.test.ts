import { describe, expect, test } from 'bun:test'
import type { VmSpec } from '../vmm.ts'
import { guestNode } from './drive-list.ts'
import { exitOf } from './jailer.ts'
import { inJail, jailerArguments, jailPlace } from './program.ts'
import { type ApiRequest, machineRequests, putRootDrive } from './requests.ts'

const identity = { name: 'kata-7', uid: 1_879_500_000, gid: 1_879_500_001, groups: [] }
const spec: VmSpec = {
  ...{ sandboxId: 'x', identity, privateDir: '/run/user/1879500000', stateDir: '/run/x' },
  ...{ kernel: '/k', initrd: '/i', kernelParams: ['last=1'], accelerator: 'kvm' },
  ...{ vcpus: 1, maxVcpus: 0, memoryMiB: 256, maxMemoryMiB: 0 },
}
const settings = { enableHugepages: false, reclaimGuestFreedMemory: false }
const bodyOf = ({ first, rest }: ReturnType<typeof machineRequests>, path: string): unknown =>
  [...first, ...rest].find((request: ApiRequest) => request.path === path)?.body

describe('the machine', () => {
  test.each([
    [1, 1],
    [1.5, 2],
    [3, 4],
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
      ...{ amount_mib: 0, deflate_on_oom: true, free_page_reporting: true },
    })
  })

  test('boots from files of its jail, told that there is no PCI, the configured parameters last', () => {
    const { kernel_image_path, initrd_path, boot_args } = bodyOf(
      machineRequests(spec, settings),
      'boot-source',
    ) as Record<string, string>
    expect([kernel_image_path, initrd_path]).toEqual([inJail.kernel, inJail.initrd])
    expect(boot_args).toMatch(/ pci=off agent.server_addr=vsock:\/\/-1:1024 last=1$/)
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

describe('the jailer', () => {
  const place = jailPlace('/usr/bin/firecracker', spec.privateDir, identity)

  test('gets the user’s own ids, a new pid namespace and limits; never a cgroup, a daemon or root', () => {
    const args = jailerArguments({ execFile: '/usr/bin/firecracker', identity, place, debug: false })
    expect(args.join(' ')).toBe(
      '--id kata-7 --exec-file /usr/bin/firecracker --uid 1879500000 --gid 1879500001 ' +
        '--chroot-base-dir /run/user/1879500000/jail --resource-limit no-file=1024 --new-pid-ns ' +
        '-- --api-sock /run/api.sock --level Warning',
    )
  })

  test('enters the pod’s network namespace when there is one', () => {
    const request = { execFile: '/usr/bin/firecracker', identity, place, debug: true, netns: '/run/netns/x' }
    expect(jailerArguments(request).join(' ')).toContain('--netns /run/netns/x -- ')
  })

  test('is not asked to start what it refuses, or what nobody could connect to', () => {
    expect(() => jailPlace('/usr/bin/fc', spec.privateDir, identity)).toThrow('[VMM_OPTION_INVALID]')
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
