import { expect, test } from 'bun:test'
import type { VmSpec } from '../../vmm.ts'
import { clhArguments } from '../program.ts'
import { jailPaths, type MachineSettings, nodeDirs, vmConfig } from './vm-config.ts'

const mebibyte = 1024 * 1024
const spec: VmSpec = {
  sandboxId: 'pod-1',
  identity: { name: 'kata-7', uid: 70000, gid: 70000, groups: [993] },
  privateDir: '/run/user/70000',
  stateDir: '/run/kata-ts/default/pod-1',
  kernel: '/var/cache/vmlinux',
  initrd: '/var/cache/initrd',
  kernelParams: ['agent.log=debug'],
  vcpus: 1.5,
  maxVcpus: 0,
  memoryMiB: 256,
  maxMemoryMiB: 0,
  accelerator: 'kvm',
}
const settings: MachineSettings = {
  entropySource: '/dev/urandom',
  hostCpus: 8,
  hostMemoryMiB: 16384,
  enableMemPrealloc: false,
  reclaimGuestFreedMemory: false,
}

test('a machine without a share is exactly this', () => {
  const { payload, ...rest } = vmConfig(spec, settings)
  expect(rest).toEqual({
    cpus: { boot_vcpus: 2, max_vcpus: 8, nested: false },
    memory: { size: 256 * mebibyte, shared: true, hotplug_size: 16128 * mebibyte },
    rng: { src: '/dev/urandom' },
    serial: { mode: 'Tty' },
    console: { mode: 'Off' },
    vsock: { cid: 3, socket: '/sockets/clh.sock' },
    landlock_enable: true,
    landlock_rules: [{ path: '/disks', access: 'rw' }],
  })
  expect(payload).toMatchObject({ kernel: '/boot/vmlinux', initramfs: '/boot/initrd' })
  expect(payload.cmdline).toStartWith('quiet console=ttyS0 ')
  expect(payload.cmdline).toEndWith(
    ' agent.server_addr=vsock://-1:1024 memhp_default_state=online agent.log=debug',
  )
})

test('a share is told by its place in the jail, a root disk by the kernel’s parameters', () => {
  const share = { tag: 'kataShared', socket: '/run/user/70000/vhost-fs.sock', queueSize: 512 }
  const rootDisk = { image: '/images/guest.img', fsType: 'ext4' } as const
  const config = vmConfig({ ...spec, share, rootDisk }, settings)
  const socket = '/sockets/vhost-fs.sock'
  expect(config.fs).toEqual([{ id: 'share', tag: 'kataShared', socket, num_queues: 1, queue_size: 512 }])
  expect(config.payload.cmdline).toContain(' agent.root=/dev/vda agent.rootfstype=ext4 ')
})

test('a second share has a name and a socket of its own', () => {
  const share = { tag: 'kataShared', socket: '/run/user/70000/vhost-fs.sock', queueSize: 512 }
  const volumeShare = { ...share, tag: 'kataVolumes', socket: '/run/user/70000/vhost-fs-volumes.sock' }
  const { fs } = vmConfig({ ...spec, share, volumeShare }, settings)
  expect(fs?.map(({ id, tag, socket }) => [id, tag, socket])).toEqual([
    ['share', 'kataShared', '/sockets/vhost-fs.sock'],
    ['volumes', 'kataVolumes', '/sockets/vhost-fs-volumes.sock'],
  ])
})

test('the jail shows what the configuration names, and no disk image', () => {
  const rootDisk = { image: '/images/guest.img', fsType: 'ext4' } as const
  expect(jailPaths({ ...spec, rootDisk }, settings)).toEqual([
    { source: '/var/cache/vmlinux', target: '/boot/vmlinux', access: 'read' },
    { source: '/var/cache/initrd', target: '/boot/initrd', access: 'read' },
    { source: '/dev/urandom', target: '/dev/urandom', access: 'read' },
    { source: '/dev/kvm', target: '/dev/kvm', access: 'read-write' },
    { source: '/run/user/70000', target: '/sockets', access: 'read-write' },
  ])
})

test('a rule of its Landlock is for what the jail has', () => {
  const there = [...jailPaths(spec, settings).map(({ target }) => target), ...nodeDirs]
  for (const { path } of vmConfig(spec, settings).landlock_rules) expect(there).toContain(path)
})

test('sizes: no room to grow below a block, never more than the VMM can make', () => {
  const sized = (more: Partial<VmSpec>) => vmConfig({ ...spec, ...more }, settings)
  expect(sized({ maxMemoryMiB: 383 }).memory).toEqual({ size: 256 * mebibyte, shared: true })
  expect(sized({ maxMemoryMiB: 600 }).memory.hotplug_size).toBe(256 * mebibyte)
  expect(sized({ maxVcpus: 1 }).cpus).toMatchObject({ boot_vcpus: 2, max_vcpus: 2 })
  expect(sized({ maxVcpus: 1000 }).cpus.max_vcpus).toBe(254)
  expect(() => sized({ memoryMiB: 0 })).toThrow('[VMM_OPTION_INVALID]')
  expect(() => sized({ share: { tag: 'x', socket: 5, queueSize: 8 } })).toThrow('a descriptor')
})

test('its own core scheduling is off when all of it is in one group', () => {
  expect(vmConfig(spec, settings).cpus).not.toHaveProperty('core_scheduling')
  expect(vmConfig(spec, { ...settings, enableCoreScheduling: true }).cpus.core_scheduling).toBe('Off')
})

test('memory of huge pages, taken at once, and given back when the guest frees it', () => {
  const size = { ...spec, maxMemoryMiB: 256 }
  const hugePageBytes = 2 * mebibyte
  expect(vmConfig(size, { ...settings, hugePageBytes, enableMemPrealloc: true }).memory).toEqual({
    size: 256 * mebibyte,
    shared: true,
    hugepages: true,
    hugepage_size: hugePageBytes,
    reserve: false,
    prefault: true,
  })
  const { balloon } = vmConfig(size, { ...settings, reclaimGuestFreedMemory: true })
  expect(balloon).toEqual({ size: 0, free_page_reporting: true })
})

test('its arguments name descriptors only', () => {
  const always = ['--api-socket', 'fd=3', '--event-monitor', 'fd=4', '--seccomp', 'true']
  expect(clhArguments({ debug: false })).toEqual(always)
  expect(clhArguments({ debug: true })).toEqual([...always, '-v'])
})
