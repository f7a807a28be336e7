// test:vmm: every VMM
/** Wrong input: a coded error that names the thing and the remedy, before or during the start, and nothing left behind. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { chmodSync, copyFileSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { busyboxPath } from '../setup/paths.ts'
import { writeCpio } from '../src/guest-image/cpio.ts'
import { findImage } from '../src/guest-image/guest-image.ts'
import { bindMount, mount, unmount } from '../src/linux/mounts/mount.ts'
import { podTest } from './harness/cannot.ts'
import { type HostState, hostState, leftBehind } from './harness/host/host.ts'
import { Kata, scratch } from './harness/kata.ts'
import { hypervisorTable, vmm } from './harness/vmm.ts'

let kata: Kata
let before: HostState
beforeAll(async () => {
  kata = new Kata()
  expect((await kata.run(['true'])).code).toBe(0)
  before = hostState(kata.runDir)
})
afterAll(() => kata.close())

const image = findImage()!
/** One block of ids, far from the range that other tests use. */
const oneBlock = 'rootless_uid_base = 2000027648\nrootless_uid_blocks = 1\n'
const uidOfOneBlock = 2000027648 + 65535

/** Runs `true` under this configuration and expects the runtime to refuse it. */
async function refused(code: string, hypervisor: string, names: string) {
  using dir = scratch()
  const file = `${dir.path}/configuration.toml`
  writeFileSync(file, hypervisorTable(hypervisor))
  const before = hostState(kata.runDir)
  const outcome = await kata.run(['true'], { flags: ['--config', file] })
  expect(outcome.stdout).toBe('')
  expect(outcome.stderr).toContain(`[${code}]`)
  expect(outcome.stderr).toContain(names)
  expect(outcome.code).toBe(125)
  expect(leftBehind(before, hostState(kata.runDir))).toEqual([])
  return outcome.stderr.replaceAll(dir.path, '')
}

describe('the machine', () => {
  test('missing kernel', () =>
    refused('CONFIG_FILE_MISSING', 'kernel = "/nonexistent/vmlinux"\n', '/nonexistent/vmlinux'))

  test('corrupt initrd', async () => {
    using dir = scratch()
    writeFileSync(`${dir.path}/initrd`, 'this is no archive')
    await refused(
      'IMAGE_INITRD_FORMAT',
      `kernel = "${image.kernel}"\ninitrd = "${dir.path}/initrd"\n`,
      'initrd',
    )
  })

  test('wrong checksum', async () => {
    using dir = scratch()
    const bytes = readFileSync(image.kernel)
    bytes[bytes.length - 1]! ^= 1
    writeFileSync(`${dir.path}/vmlinux`, bytes)
    bindMount(`${dir.path}/vmlinux`, image.kernel)
    try {
      await refused('IMAGE_CHECKSUM_MISMATCH', '', image.kernel)
    } finally {
      unmount(image.kernel)
    }
  })

  test('VMM missing', () => refused('CONFIG_FILE_MISSING', 'path = "/nonexistent/vmm"\n', '/nonexistent/vmm'))

  podTest('virtiofsd missing', () =>
    refused('CONFIG_FILE_MISSING', 'virtio_fs_daemon = "/nonexistent/virtiofsd"\n', '/nonexistent/virtiofsd'),
  )

  test('a guest that panics is told with the end of its console', async () => {
    using dir = scratch()
    writeFileSync(`${dir.path}/initrd`, writeCpio([{ kind: 'directory', path: 'dev', mode: 0o755 }]))
    const text = await refused('VMM_GUEST_PANICKED', `initrd = "${dir.path}/initrd"\n`, 'Kernel panic')
    expect(text).toContain('not syncing')
  })

  test('a guest that never answers is given up, with the end of its console', async () => {
    using dir = scratch()
    const script =
      '#!/bin/busybox sh\n/bin/busybox mknod /dev/ttyS0 c 4 64\necho awake but deaf > /dev/ttyS0\nexec /bin/busybox sleep 1000\n'
    const initrd = writeCpio([
      { kind: 'file', path: 'init', mode: 0o755, data: Buffer.from(script) },
      { kind: 'file', path: 'bin/busybox', mode: 0o755, data: readFileSync(busyboxPath) },
      { kind: 'directory', path: 'dev', mode: 0o755 },
    ])
    writeFileSync(`${dir.path}/initrd`, initrd)
    const settings = `initrd = "${dir.path}/initrd"\n[agent.kata]\ndial_timeout = 5\n`
    await refused('VMM_GUEST_SILENT', settings, 'awake but deaf')
  })

  test('a program that is no VMM', async () => {
    using dir = scratch()
    // Of its name: more is not asked of a program before it runs.
    const path = `${dir.path}/${basename(vmm.path)}`
    // Firecracker's jail has no libraries: a program that needs some is told of as one that does not start.
    copyFileSync(vmm.driver === 'firecracker' ? busyboxPath : '/usr/bin/true', path)
    await refused('VMM_EXITED', `path = "${path}"\n`, path)
  })
})

describe('the container', () => {
  test('root file system missing', async () => {
    const { code, stderr } = await kata.run(['true'], { flags: ['--rootfs', '/nonexistent/rootfs'] })
    expect(stderr).toContain('[ROOTFS_MISSING]')
    expect(stderr).toContain('/nonexistent/rootfs')
    expect(code).toBe(125)
    expect(leftBehind(before, hostState(kata.runDir))).toEqual([])
  })

  test.each(['no-such-command', ''])('command not found: %p', async (command) => {
    const { code, stderr } = await kata.run([command])
    expect(stderr).toContain(`[COMMAND_NOT_FOUND] ${command || '""'}: executable file not found`)
    expect(code).toBe(127)
    expect(leftBehind(before, hostState(kata.runDir))).toEqual([])
  })

  test.each(['foo.bar=1', 'kernel.shmmax=much'])('sysctl %s', async (sysctl) => {
    const { code, stderr } = await kata.run(['true'], { flags: ['--sysctl', sysctl] })
    expect(stderr).toContain('[SYSCTL_REFUSED]')
    expect(stderr).toContain(sysctl.split(/[.=]/)[1]!)
    expect(code).toBe(125)
    expect(leftBehind(before, hostState(kata.runDir))).toEqual([])
  })

  test('working directory of an exec missing', async () => {
    await kata.call(['run', '-d', '--name', 'homeless', '--', 'sleep', '300'])
    const { code, stderr } = await kata.call(['exec', '-w', '/zz', 'homeless', 'pwd'])
    expect(stderr).toContain('[WORKDIR_INVALID]')
    expect(stderr).toContain('/zz')
    expect(code).toBe(127)
    expect((await kata.call(['rm', '-f', 'homeless'])).code).toBe(0)
    expect(leftBehind(before, hostState(kata.runDir))).toEqual([])
  })

  test('volume source missing', async () => {
    const { code, stderr } = await kata.run(['true'], { flags: ['-v', '/nonexistent/data:/data'] })
    expect(stderr).toContain('/nonexistent/data')
    expect(code).toBe(125)
  })
})

describe('the configuration', () => {
  test('bad TOML names file, line and column', async () => {
    const text = await refused('CONFIG_SYNTAX', 'path = "/usr/bin\n', 'configuration.toml')
    expect(text).toMatch(/line \d|:\d/)
  })

  test('a wrong type names the line and what is allowed', async () => {
    const text = await refused('CONFIG_TYPE', 'default_memory = "much"\n', 'default_memory')
    expect(text).toMatch(/line \d|:\d/)
  })

  podTest('a value out of range', () => refused('CONFIG_VALUE', 'accelerator = "warp"\n', 'auto'))
})

describe('the user', () => {
  test('uid range exhausted', async () => {
    const reservation = '/run/kata-ts/uids/0'
    mkdirSync(reservation, { recursive: true, mode: 0o700 })
    try {
      await refused('UID_RANGE_EXHAUSTED', oneBlock, '2000027648')
    } finally {
      rmdirSync(reservation)
    }
  })

  test('private directory occupied', async () => {
    const path = `/run/user/${uidOfOneBlock}`
    mkdirSync(path, { mode: 0o755 })
    try {
      await refused('PRIVATE_DIR_OCCUPIED', oneBlock, path)
    } finally {
      rmdirSync(path)
    }
  })

  test('/etc read-only, with accounts in /etc', async () => {
    bindMount('/etc', '/etc', { flags: 1 })
    try {
      const text = await refused('ETC_READ_ONLY', oneBlock, 'userdb')
      expect(text).toContain('none')
    } finally {
      unmount('/etc')
    }
  })
})

describe('the run directory', () => {
  test('so deep that sockets do not fit', async () => {
    using dir = scratch()
    const deep = `${dir.path}/${'d'.repeat(80)}`
    const outcome = await kata.call(['--run-dir', deep, 'run', '--rm', '--', 'true'])
    expect(outcome.stderr).toContain('[SOCKET_PATH_TOO_LONG]')
    expect(outcome.code).toBe(125)
    expect(leftBehind(before, hostState(kata.runDir))).toEqual([])
  })

  test('full', async () => {
    using dir = scratch()
    const full = `${dir.path}/run`
    mkdirSync(full)
    mount({ source: 'tmpfs', target: full, type: 'tmpfs', data: 'size=64k' })
    try {
      chmodSync(full, 0o711)
      // Leaves two pages, so that the start fails in the middle.
      writeFileSync(`${full}/ballast`, new Uint8Array(56 * 1024))
      const outcome = await kata.call(['--run-dir', full, 'run', '--rm', '--', 'true'])
      expect(outcome.stderr).toContain('[RUN_DIR_FULL]')
      expect(outcome.stderr).toContain(full)
      expect(outcome.code).toBe(125)
      await kata.call(['--run-dir', full, 'gc'])
    } finally {
      unmount(full)
    }
    expect(leftBehind(before, hostState(kata.runDir))).toEqual([])
  })
})
