// test:vmm: qemu, clh
/** Pods without a shared directory, with VMMs that could have one: how files come to them, and that nothing serves any. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { cpSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { type HostState, hostState, leftBehind } from './harness/host/host.ts'
import { eventually, Kata, scratch } from './harness/kata.ts'
import { slow } from './harness/time.ts'
import { shippedConfiguration } from './harness/vmm.ts'

setDefaultTimeout(slow(60_000))

describe('a pod with shared_fs = "none"', () => {
  const kata = new Kata()
  const area = scratch()
  const config = `${area.path}/config-map`
  const configuration = `${area.path}/configuration.toml`
  let before: HostState
  const shell = (script: string) => kata.call(['exec', 'pod', '--', 'sh', '-c', script])

  beforeAll(async () => {
    mkdirSync(`${config}/..one`, { recursive: true })
    writeFileSync(`${config}/..one/key`, 'one')
    symlinkSync('..one', `${config}/..data`)
    symlinkSync('..data/key', `${config}/key`)
    writeFileSync(
      configuration,
      shippedConfiguration()
        .replace(/^shared_fs = .*$/m, 'shared_fs = "none"')
        // What a container may fill is a part of it.
        .replace(/^default_memory = .*$/m, 'default_memory = 256')
        .replace('kernel_modules = []', 'kernel_modules = ["dummy numdummies=2", "xfs"]'),
    )
    before = hostState(kata.runDir)
    writeFileSync(`${area.path}/file`, '')
    const flags = ['--config', configuration, '-v', `${config}:/config:ro`, '-v', `${area.path}/file:/file`]
    const started = await kata.call(['run', '-d', '--name', 'pod', ...flags, '--', 'sleep', '300'])
    expect(started).toMatchObject({ code: 0, stderr: '' })
  })
  afterAll(async () => {
    await kata.close()
    area[Symbol.dispose]()
  })

  test('no virtiofsd runs, and the guest has no share', async () => {
    expect((await kata.inspect('pod')).sandbox.virtiofsdPids).toEqual([])
    expect((await shell('grep -c virtiofs /proc/mounts')).stdout).toBe('0\n')
  })

  test('the kernel modules that the configuration names are copied, with what they need, and loaded', async () => {
    const loaded = (await shell('cat /proc/modules')).stdout.split('\n').map((line) => line.split(' ')[0])
    expect(loaded).toEqual(expect.arrayContaining(['dummy', 'xfs', 'libcrc32c']))
  })

  test('the root file system is the image on a disk, under another that takes writes', async () => {
    const { stdout } = await shell('grep " / " /proc/mounts; echo new >/new && cat /new')
    expect(stdout).toMatch(/^overlay \/ overlay rw.*\nnew\n$/)
  })

  test('a ConfigMap is copied, and follows its source', async () => {
    expect((await shell('cat /config/key')).stdout).toBe('one')
    cpSync(`${config}/..one`, `${config}/..two`, { recursive: true })
    writeFileSync(`${config}/..two/key`, 'two')
    symlinkSync('..two', `${config}/..next`)
    renameSync(`${config}/..next`, `${config}/..data`)
    await eventually(
      'the new content',
      async () => (await shell('cat /config/key')).stdout === 'two' || undefined,
    )
  })

  test('a container that fills a file of its own that was copied keeps nobody from running commands', async () => {
    expect((await shell('dd if=/dev/zero of=/file bs=1M 2>&1')).stdout).toContain('No space left on device')
    expect(await shell('echo well')).toEqual({ code: 0, stdout: 'well\n', stderr: '' })
    expect((await shell('echo >/file')).code).toBe(0)
  })

  test.each([
    ['a directory that is to be written', '/var/tmp:/data', 'SHARE_NOT_COPIED', '/var/tmp'],
    ['a directory that is too large', '/usr:/data:ro', 'SHARE_COPY_TOO_LARGE', '/usr'],
  ])('%s is refused by name, and nothing is left', async (_, volume, code, name) => {
    const now = hostState(kata.runDir)
    const { code: status, stderr } = await kata.run(['true'], {
      flags: ['--config', configuration, '-v', volume],
    })
    expect({ status, stderr }).toEqual({ status: 125, stderr: expect.stringContaining(`[${code}] ${name} `) })
    expect(leftBehind(now, hostState(kata.runDir))).toEqual([])
  })

  test('nothing is left of it', async () => {
    await kata.call(['rm', '-f', 'pod'])
    expect(leftBehind(before, hostState(kata.runDir))).toEqual([])
  })
})
