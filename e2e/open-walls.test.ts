// test:vmm: every VMM
/** A wall that does not stand is told at every start and shown afterwards; what a file of ours leaves out stands. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { readStatus } from '../src/linux/processes/proc.ts'
import { podTest } from './harness/cannot.ts'
import { Kata, scratch } from './harness/kata.ts'
import { slow } from './harness/time.ts'
import { hypervisorTable } from './harness/vmm.ts'

let kata: Kata
const directory = scratch()
beforeAll(() => {
  kata = new Kata()
})
afterAll(async () => {
  await kata.close()
  directory[Symbol.dispose]()
}, slow(60_000))

/** A file with these lines in the hypervisor's table, and nothing of what the harness adds for walls. */
function file(name: string, lines: string): string {
  const path = `${directory.path}/${name}.toml`
  writeFileSync(path, hypervisorTable(lines).replace('rootless = true\n', ''))
  return path
}

/** What a start said beside the container's own output, one line each, emulation apart. */
const warnings = (stderr: string): string[] => stderr.match(/(?<=^kata-ts: warning: ).*/gm) ?? []
/** Emulation is about the host, not about what these tests switch off. */
const names = (walls: readonly { wall: string }[]): string[] =>
  walls.map(({ wall }) => wall).filter((wall) => wall !== 'kvm')
const json = async (...args: string[]) => JSON.parse((await kata.call([...args, '--format', 'json'])).stdout)

test('a file that names neither rootless nor seccomp has both, without a word', async () => {
  const flags = ['--name', 'short', '--config', file('short', 'default_memory = 256\n')]
  const { code, stderr } = await kata.call(['run', '-d', ...flags, '--', 'sleep', '600'])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const { sandbox } = await kata.inspect('short')
  expect(names(sandbox.openWalls)).toEqual([])
  const [uid] = readStatus(`/proc/${sandbox.vmmPid}/status`)!.get('Uid')!.split('\t')
  expect(Number(uid)).toBeGreaterThan(65535)
  const seen = await kata.call(['exec', 'short', '--', 'grep', 'Seccomp:', '/proc/self/status'])
  expect(seen.stdout).toBe('Seccomp:\t2\n')
})

describe('three walls off by configuration', () => {
  const open = ['rootless', 'seccomp', 'virtiofsd']
  let path: string
  beforeAll(() => {
    const lines = 'rootless = false\nvirtio_fs_privilege = "root"\n'
    path = file('open', `${lines}[runtime]\ndisable_guest_seccomp = true\n`)
  })

  podTest('are a line each on stderr, at every start', async () => {
    for (let start = 0; start < 2; start++) {
      const script = 'grep Seccomp: /proc/self/status'
      const { code, stdout, stderr } = await kata.run(['sh', '-c', script], { flags: ['--config', path] })
      expect({ code, stdout }).toEqual({ code: 0, stdout: 'Seccomp:\t0\n' })
      expect(warnings(stderr)).toEqual([
        expect.stringContaining('the VMM runs as root of this host (rootless = false)'),
        expect.stringContaining('containers run without their seccomp profiles'),
        expect.stringContaining('virtiofsd is root of this host: virtio_fs_privilege = "root"'),
      ])
    }
  })

  podTest('so is one that an option took away', async () => {
    const { stderr } = await kata.run(['true'], { flags: ['--rootless', 'false'] })
    expect(warnings(stderr)).toEqual([expect.stringContaining('the VMM runs as root of this host')])
  })

  podTest('are marks in ps, inspect, audit and check', async () => {
    const flags = ['-d', '--name', 'open', '--config', path]
    expect((await kata.call(['run', ...flags, '--', 'sleep', '600'])).code).toBe(0)
    const listed = ((await json('ps')) as { id: string; openWalls: { wall: string }[] }[]).find(
      ({ id }) => id === 'open',
    )
    expect(names(listed!.openWalls)).toEqual(open)
    expect((await kata.call(['ps'])).stdout).toMatch(/OPEN WALLS[\s\S]*^open .* rootless,seccomp,/m)
    expect(names((await kata.inspect('open')).sandbox.openWalls)).toEqual(open)
    expect(names((await json('audit', 'open'))[0].openWalls)).toEqual(open)
    const audit = await kata.call(['audit', 'open'])
    expect(audit.stdout).toContain('! open wall rootless: the VMM runs as root of this host')
    // Each process is what was asked for.
    expect(audit.code).toBe(0)
    const { checks } = (await json('check', '--config', path)) as {
      checks: { name: string; status: string; detail: string }[]
    }
    const walls = checks.find(({ name }) => name === 'walls')!
    expect(walls.status).toBe('warning')
    for (const wall of open) expect(walls.detail).toContain(`${wall}: `)
  })
})

podTest('emulation by name is silent at the start, and a mark all the same', async () => {
  const flags = ['-d', '--name', 'tcg', '--accelerator', 'tcg']
  const { code, stderr } = await kata.call(['run', ...flags, '--', 'sleep', '600'])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const [{ wall, what }] = (await kata.inspect('tcg')).sandbox.openWalls as [{ wall: string; what: string }]
  expect({ wall, what }).toEqual({ wall: 'kvm', what: expect.stringContaining('no security boundary') })
  expect((await kata.call(['ps'])).stdout).toMatch(/^tcg .* tcg +kvm /m)
  expect((await kata.call(['audit', 'tcg'])).stdout).toContain('! open wall kvm: ')
})

test('a key that is almost rootless starts nothing', async () => {
  const { code, stderr } = await kata.run(['true'], { flags: ['--config', file('typo', 'rootles = true\n')] })
  expect(code).toBe(125)
  expect(stderr).toContain('[CONFIG_WALL_MISSPELLED]')
  expect(stderr).toContain('rootless in [hypervisor.')
})
