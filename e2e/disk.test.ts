// test:vmm: every VMM
/** `image=`: a guest whose root is a disk image that root opens and the VMM could not. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { chmodSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { findImage } from '../src/guest-image/guest-image.ts'
import { runContainer } from './agent/container.ts'
import { guestShare, startGuest } from './agent/guest.ts'
import { podTest } from './harness/cannot.ts'
import { makeGuestTree, makePartitionedDisk, makeWholeDisk, without } from './harness/host/disk-image.ts'
import { type HostState, hostState, leftBehind } from './harness/host/host.ts'
import { Kata, scratch } from './harness/kata.ts'
import { hypervisorTable } from './harness/vmm.ts'

const image = findImage()!
let kata: Kata
let dir: ReturnType<typeof scratch>
let before: HostState
let disk: string

beforeAll(async () => {
  kata = new Kata()
  dir = scratch()
  // What the VMM is not given open it cannot have: only root comes as far as the image.
  chmodSync(dir.path, 0o700)
  disk = `${dir.path}/disk.img`
  makeGuestTree(image.initrd, `${dir.path}/tree`)
  makeWholeDisk(`${dir.path}/tree`, disk)
  chmodSync(disk, 0o600)
  expect((await kata.run(['true'])).code).toBe(0)
  before = hostState(kata.runDir)
})
afterAll(async () => {
  await kata.close()
  dir[Symbol.dispose]()
})

/** A configuration file that says this of the hypervisor. */
function configured(lines: string): string[] {
  const file = `${dir.path}/configuration.toml`
  writeFileSync(file, hypervisorTable(lines))
  return ['--config', file]
}

const run = (path: string, command: readonly string[], more = '') =>
  kata.run(command, { flags: configured(`image = "${path}"\n${more}`) })

/** Runs `true` with it and expects the runtime to say this; nothing may be left. */
async function refused(lines: string, ...says: (string | RegExp)[]) {
  const outcome = await kata.run(['true'], { flags: configured(lines) })
  expect(outcome.stdout).toBe('')
  for (const words of says) expect(outcome.stderr).toMatch(words)
  expect(outcome.code).toBe(125)
  expect(leftBehind(before, hostState(kata.runDir))).toEqual([])
}

describe('a guest on a disk image', () => {
  test('runs containers from the whole disk, mounted read-only, of which nothing changes', async () => {
    const checksum = Bun.hash(readFileSync(disk))
    const script =
      'echo from disk; cat /proc/cmdline /sys/block/vda/ro; ls -d /proc/fs/ext4/vda*; head -n 1 /proc/fs/ext4/vda/options'
    const outcome = await run(disk, ['sh', '-c', script])
    expect(outcome.stderr).toBe('')
    const [first, commandLine, ...facts] = outcome.stdout.trim().split('\n')
    expect(first).toBe('from disk')
    expect(commandLine).toContain('agent.root=/dev/vda agent.rootfstype=ext4')
    expect(facts).toEqual(['1', '/proc/fs/ext4/vda', 'ro'])
    expect(outcome.code).toBe(0)
    expect(Bun.hash(readFileSync(disk))).toBe(checksum)
    expect(leftBehind(before, hostState(kata.runDir))).toEqual([])
  })

  test('runs containers from the first partition', async () => {
    const partitioned = `${dir.path}/partitioned.img`
    makePartitionedDisk(disk, partitioned)
    const outcome = await run(partitioned, ['sh', '-c', 'ls -d /proc/fs/ext4/vda*'])
    expect(outcome).toMatchObject({ code: 0, stdout: '/proc/fs/ext4/vda1\n', stderr: '' })
  })

  podTest('shares the image with other guests; their VMMs hold it open for reading only', async () => {
    const flags = configured(`image = "${disk}"\n`)
    const started = await kata.call(['run', '-d', '--name', 'on-disk', ...flags, '--', 'sleep', '600'])
    expect(started.code).toBe(0)
    const { vmmPid } = (await kata.inspect('on-disk')).sandbox
    const held = readdirSync(`/proc/${vmmPid}/fd`).filter(
      (fd) => readlinkSync(`/proc/${vmmPid}/fd/${fd}`) === disk,
    )
    expect(held.length).toBeGreaterThan(0)
    for (const fd of held) {
      const flags = /^flags:\s*(\d+)/m.exec(readFileSync(`/proc/${vmmPid}/fdinfo/${fd}`, 'utf8'))?.[1]
      expect(Number.parseInt(flags ?? '3', 8) & 3).toBe(0)
    }
    // No path to it: neither in its arguments nor in what it sees of file systems.
    expect(readFileSync(`/proc/${vmmPid}/cmdline`, 'utf8')).not.toContain(dir.path)
    expect(readFileSync(`/proc/${vmmPid}/mountinfo`, 'utf8')).not.toContain('disk.img')
    expect((await run(disk, ['true'])).code).toBe(0)
    expect((await kata.call(['rm', '-f', 'on-disk'])).code).toBe(0)
    expect(leftBehind(before, hostState(kata.runDir))).toEqual([])
  })
})

describe('the agent on the disk', () => {
  test('has it as its root, read-only, and writes nowhere but into memory', async () => {
    const tree = `${dir.path}/tree`
    const withResolver = `${dir.path}/resolver.img`
    writeFileSync(`${tree}/etc/resolv.conf`, '')
    makeWholeDisk(tree, withResolver)
    const { kernel, initrd } = image
    const extraParameters = 'agent.root=/dev/vda'
    await using guest = await startGuest({ kernel, initrd, disk: withResolver, extraParameters })
    const share = { driver: 'virtio-fs', source: 'kataShared', fstype: 'virtiofs', mountPoint: guestShare }
    const memory = '/run/kata-containers/sandbox/shm'
    await guest.agent.createSandbox({
      sandboxId: 'disk',
      dns: ['nameserver 192.0.2.1'],
      storages: [share, { driver: 'ephemeral', source: 'shm', fstype: 'tmpfs', mountPoint: memory }],
    })
    const bind = (source: string, destination: string) => ({
      source,
      destination,
      type: 'bind',
      options: ['bind'],
      UIDMappings: [],
      GIDMappings: [],
    })
    const { stdout, stderr, status } = await runContainer(guest, 'look', {
      args: ['sh', '-c', 'grep " /guest " /proc/self/mountinfo; cat /resolver; echo x >/guest/etc/x'],
      mounts: [bind('/', '/guest'), bind('/etc/resolv.conf', '/resolver')],
    })
    expect(stdout).toMatch(/ \/guest r[ow].* - ext4 \/dev\/vda ro\b.*\nnameserver 192\.0\.2\.1\n$/)
    expect(stderr).toContain('Read-only file system')
    expect(status).not.toBe(0)
  })
})

describe('refused with a reason', () => {
  test('an image that is not there', () =>
    refused('image = "/nonexistent/disk.img"\n', '[CONFIG_FILE_MISSING]', '/nonexistent/disk.img'))

  test('a directory', () => refused(`image = "${dir.path}"\n`, '[CONFIG_FILE_MISSING]', 'is not a file'))

  test('an image together with an initrd', () =>
    refused(
      `image = "${disk}"\ninitrd = "${image.initrd}"\n`,
      '[CONFIG_CONFLICT]',
      'image and initrd are both set',
    ))

  test('an image without /sbin/init', async () => {
    const bare = `${dir.path}/bare.img`
    without('usr/sbin/init', `${dir.path}/tree`, bare)
    await refused(
      `image = "${bare}"\n`,
      '[VMM_GUEST_PANICKED]',
      'the disk image (ext4 on /dev/vda) has no /sbin/init that can be started',
      'Kernel panic',
    )
  })

  // The initrd has a crun: that it is missed shows that what runs comes from the disk alone.
  test('an image without crun', async () => {
    const bare = `${dir.path}/bare.img`
    without('usr/bin/crun', `${dir.path}/tree`, bare)
    await refused(`image = "${bare}"\n`, '[VMM_GUEST_PANICKED]', /copy \/usr\/bin\/crun: No such file/)
  })

  test('an image without a file system', async () => {
    const blank = `${dir.path}/blank.img`
    writeFileSync(blank, Buffer.alloc(1 << 20))
    await refused(
      `image = "${blank}"\n`,
      '[VMM_GUEST_PANICKED]',
      'the disk image cannot be mounted (ext4 on /dev/vda)',
    )
  })

  test('a file system that the guest kernel does not know', () =>
    refused(
      `image = "${disk}"\nrootfs_type = "xfs"\n`,
      '[VMM_GUEST_PANICKED]',
      'kernel module xfs is not in the guest image',
    ))

  test('a kernel that is left alone with an image and has no driver for it', () =>
    refused(
      `image = "${disk}"\nkernel = "${image.kernel}"\n`,
      '[VMM_GUEST_PANICKED]',
      'Unable to mount root fs',
    ))
})
