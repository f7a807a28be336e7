// test:vmm: every VMM
/** `--storage-opt size=`: root file systems on disks of the machine, with a bound for what a container writes. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { busyboxPath } from '../setup/paths.ts'
import { makeOciArchive, makeTar } from '../src/images/testing.ts'
import { heldOpen, mountsOf, nodesOf, tool } from './harness/host/disks.ts'
import { Kata, scratch } from './harness/kata.ts'
import { slow } from './harness/time.ts'

let kata: Kata
const area = scratch()
beforeAll(() => {
  kata = new Kata()
})
afterAll(async () => {
  await kata.close()
  area[Symbol.dispose]()
})

const start = (name: string, flags: readonly string[], command: readonly string[]) =>
  kata.call(['run', '-d', '--name', name, '--storage-opt', 'size=32M', ...flags, '--', ...command])
const shell = (name: string, script: string) => kata.call(['exec', name, '/bin/sh', '-c', script])

test(
  'what a container writes has a bound, and is there again after the next start',
  async () => {
    const command = ['sh', '-c', 'echo up; exec sleep 600']
    expect(await start('bound', [], command)).toMatchObject({ code: 0, stderr: '' })
    expect((await shell('bound', 'grep " / " /proc/mounts; echo kept >/kept')).stdout).toMatch(
      /^overlay \/ overlay rw/,
    )
    const full = await shell('bound', 'dd if=/dev/zero of=/full bs=1M count=64')
    expect(full).toMatchObject({ code: 1, stderr: expect.stringContaining('No space left on device') })
    writeFileSync(`${area.path}/file`, 'copied\n')
    await shell('bound', 'rm /full')
    expect(await kata.call(['cp', `${area.path}/file`, 'bound:/copied'])).toMatchObject({ code: 0 })
    // Nothing has written this back when the container dies.
    await shell('bound', 'echo late >/late')
    expect((await kata.call(['kill', '--signal', 'KILL', 'bound'])).code).toBe(0)
    expect((await kata.call(['wait', 'bound'])).stdout).toBe('137\n')
    expect(await kata.call(['start', 'bound'])).toMatchObject({ code: 0, stderr: '' })
    expect(await shell('bound', 'cat /kept /copied /late')).toEqual({
      code: 0,
      stdout: 'kept\ncopied\nlate\n',
      stderr: '',
    })
    expect((await kata.call(['logs', 'bound'])).stdout).toContain('up')
    expect((await kata.call(['rm', '--force', 'bound'])).code).toBe(0)
  },
  slow(120_000),
)

test(
  'two machines have one disk of their image, which both can only read, and the host mounts none',
  async () => {
    const layer = makeTar([
      ...['bin', 'proc', 'sys', 'dev', 'etc'].map((name) => ({ name, type: '5', mode: 0o755 })),
      { name: 'bin/busybox', content: readFileSync(busyboxPath), mode: 0o755 },
      ...['sh', 'cat', 'grep', 'sleep'].map((name) => ({
        name: `bin/${name}`,
        type: '2',
        linkName: 'busybox',
      })),
      { name: 'etc/image', content: 'of the image' },
    ])
    const image = `${area.path}/image.tar`
    writeFileSync(image, makeOciArchive([{ tar: layer }], { Env: ['PATH=/bin'] }))
    const names = ['first', 'second']
    for (const name of names)
      expect(await start(name, ['--image', image], ['sleep', '600'])).toMatchObject({ code: 0, stderr: '' })
    await shell('first', 'echo mine >/etc/image')
    expect((await shell('first', 'cat /etc/image')).stdout).toBe('mine\n')
    expect((await shell('second', 'cat /etc/image')).stdout).toBe('of the image')

    // The embedded root file system has one of its own.
    const disks = readdirSync(`${kata.stateDir}/images/disks`).map(
      (name) => `${kata.stateDir}/images/disks/${name}`,
    )
    const shared: string[] = []
    for (const disk of disks) {
      const flags: string[] = []
      for (const name of names) {
        const { sandbox } = await kata.inspect(name)
        for (const info of nodesOf(disk).flatMap((node) => heldOpen(sandbox.vmmPid, node)))
          flags.push(/flags:\s*(\d+)/.exec(readFileSync(info, 'utf8'))?.[1] ?? '')
      }
      if (flags.length === 0) continue
      shared.push(disk)
      // The access mode is the last octal digit: 0 only reads.
      expect(new Set(flags.map((octal) => octal.at(-1)))).toEqual(new Set(['0']))
      expect(flags.length).toBeGreaterThanOrEqual(names.length)
      expect(nodesOf(disk).flatMap(mountsOf)).toEqual([])
    }
    expect(shared).toHaveLength(1)
    for (const name of names) expect((await kata.call(['rm', '--force', name])).code).toBe(0)
    // The control: what the first has written is nowhere in the disk of both.
    expect(tool(['grep', '-c', '-a', 'of the image', shared[0]!]).trim()).not.toBe('0')
    expect(Bun.spawnSync(['grep', '-q', '-a', '^mine$', shared[0]!]).exitCode).toBe(1)
  },
  slow(120_000),
)
