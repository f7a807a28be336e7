/** What a launch does on kernels that have Landlock, have none, or only say that they have: these are filters around a child. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { landlockAbi } from '../../linux/processes/landlock.ts'
import type { LaunchSpec } from '../jail/launch-spec.ts'
import { baseSyscalls } from './base-syscalls.ts'
import { landlockProblem, requireLandlock } from './landlock.ts'

const uid = 0x6f000000 + 65535
let stateDir: string
let filter: string

/** Raw BPF: landlock_restrict_self(2) answers 0 and does nothing, on x86_64. */
function pretending(): Buffer {
  const code = [
    [0x20, 0, 0, 0],
    [0x15, 0, 1, 446],
    [0x06, 0, 0, 0x00050000],
    [0x06, 0, 0, 0x7fff0000],
  ] as const
  return Buffer.concat(
    code.map(([op, yes, no, k]) => {
      const bytes = Buffer.alloc(8)
      bytes.writeUInt16LE(op, 0)
      bytes.writeUInt8(yes, 2)
      bytes.writeUInt8(no, 3)
      bytes.writeUInt32LE(k, 4)
      return bytes
    }),
  )
}

const kernels: Record<string, () => string[]> = {
  'with it': () => [],
  'without it': () => ['/usr/bin/enosys', '--syscall', 'landlock_create_ruleset', '--'],
  'that refuses': () => ['/usr/bin/enosys', '--syscall', 'landlock_restrict_self', '--'],
  'that pretends': () => ['/usr/bin/setpriv', '--seccomp-filter', filter, '--'],
}

beforeAll(() => {
  stateDir = mkdtempSync(`${tmpdir()}/landlock-`)
  filter = `${stateDir}/pretends`
  writeFileSync(filter, pretending())
})
afterAll(() => rmSync(stateDir, { recursive: true }))

/** Launches a program on such a kernel: what its launcher saw of Landlock, or why it refused. */
function launched(kernel: string, landlock: LaunchSpec['landlock']): string {
  const output = `${stateDir}/output`
  writeFileSync(output, '')
  const script = `
    import { launch } from '${import.meta.dir}/../jail/jail.ts'
    import { silentLogger } from '${import.meta.dir}/../../log.ts'
    const spec = { ...JSON.parse(process.argv[1]), output: 2 }
    try {
      const { exited, landlock } = await launch(spec, silentLogger)
      await exited
      console.log(landlock)
    } catch (error) {
      console.log(error.message)
    }`
  const spec = {
    program: '/usr/bin/perl',
    args: ['-e', '1'],
    identity: { name: 'kata-0', uid, gid: uid, groups: [] },
    paths: [{ source: '/dev/null', target: '/dev/null', access: 'read-write' }],
    syscalls: { allowed: baseSyscalls },
    fds: [],
    stateDir: mkdtempSync(`${stateDir}/jail-`),
    landlock,
  }
  const argv = [...kernels[kernel]!(), process.execPath, '-e', script, JSON.stringify(spec)]
  const run = Bun.spawnSync(argv, { stdio: ['ignore', 'pipe', openSync(output, 'a')] })
  return run.stdout.toString().trim()
}

describe.skipIf(landlockAbi() === 0)('a launch that requires it', () => {
  test('runs where it holds, and says so', () => expect(launched('with it', undefined)).toBe('enforced'))

  test.each([
    ['without it', 'the kernel has no Landlock'],
    ['that refuses', 'setpriv cannot apply it'],
    ['that pretends', 'the kernel does not enforce it'],
  ])('starts nothing on a kernel %s', (kernel, reason) => {
    const message = launched(kernel, 'required')
    expect(message).toStartWith('[JAIL_NO_LANDLOCK] /usr/bin/perl would run without Landlock: ')
    expect(message).toContain(reason)
    expect(message).toContain('landlock = "best-effort"')
  })
})

test('a launch that accepts it runs without, and says that', () => {
  expect(launched('without it', 'best-effort')).toBe('none')
})

test('what is proven decides, not what the kernel says of itself', async () => {
  const spec = { program: '/usr/bin/qemu' } as const
  expect(requireLandlock(spec, undefined)).toBe('enforced')
  expect(() => requireLandlock(spec, 'no lsm')).toThrow('[JAIL_NO_LANDLOCK]')
  expect(requireLandlock({ ...spec, landlock: 'best-effort' }, 'no lsm')).toBe('none')
  expect((await landlockProblem()) === undefined).toBe(landlockAbi() > 0)
})
