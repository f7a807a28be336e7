/** The command line as a person meets it before any container exists. */
import { afterAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'

const base = mkdtempSync(`${tmpdir()}/cli-`)
afterAll(() => rmSync(base, { recursive: true }))

async function kata(...args: string[]) {
  const where = ['--run-dir', `${base}/run`, '--state-dir', `${base}/state`]
  const child = Bun.spawn([process.execPath, `${import.meta.dir}/main.ts`, ...where, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited])
  return { stdout, stderr, code }
}

test.each([
  [['bogus'], 'USAGE', 'kata-ts --help'],
  [['ps', '--bogus'], 'USAGE', 'kata-ts ps --help'],
  [['image', 'rm'], 'USAGE', 'kata-ts image rm --help'],
  [['run', '--memory', 'much', 'true'], 'OPTION_INVALID', '--memory'],
  [['run', '--name', '../up', 'true'], 'NAME_INVALID', '../up'],
  [['run', '-di', 'true'], 'OPTION_CONFLICT', '--interactive'],
  [['run', '--rootfs', '/', '--image', 'x', 'true'], 'OPTION_CONFLICT', '--image'],
  [['run', '--rootfs', '/no/such', 'true'], 'ROOTFS_MISSING', '/no/such'],
  [['run', '-v', '/no/such:/x', 'true'], 'VOLUME_SOURCE_MISSING', '/no/such'],
  [['run', '-it', 'true'], 'NOT_A_TERMINAL', '--tty'],
])('%j is refused with %s, with 125, and makes nothing', async (args, code, named) => {
  const outcome = await kata(...args)
  expect(outcome).toMatchObject({ code: 125, stdout: '' })
  expect(outcome.stderr).toStartWith(`kata-ts: [${code}] `)
  expect(outcome.stderr).toContain(named)
  expect(await kata('ps', '--format', 'json')).toEqual({ code: 0, stdout: '[]\n', stderr: '' })
})

test.each([
  [['kill', 'nobody']],
  [['rm', '--force', 'nobody']],
  [['logs', 'nobody']],
  [['inspect', 'nobody']],
  [['image', 'inspect', 'nothing', '--cache-dir', base]],
  [['ps', '--format', 'yaml']],
  [['ps', '--namespace', '..']],
])('%j fails with 1 and a coded error', async (args) => {
  const { code, stderr } = await kata(...args)
  expect(code).toBe(1)
  expect(stderr).toMatch(/^kata-ts: \[[A-Z_]+\] .+\n$/)
})

test('options of all commands may stand before or behind the name of the command', async () => {
  const before = await kata('--format', 'json', 'version')
  expect(JSON.parse(before.stdout)).toMatchObject({ name: 'kata-ts' })
  expect((await kata('version', '--format', 'json')).stdout).toBe(before.stdout)
})

test('words behind the command are its own, with and without --', async () => {
  for (const dashes of [[], ['--']]) {
    const { stderr } = await kata('run', '--rootfs', '/no/such', ...dashes, 'sh', '--bogus', '-x')
    expect(stderr).toContain('[ROOTFS_MISSING]')
  }
})

test('env tells of the VMM what it has, and nothing of another one', async () => {
  const told = async (driver: string) => {
    const file = `${base}/${driver}.toml`
    writeFileSync(file, `[hypervisor.${driver}]\n`)
    const { stdout } = await kata('env', '--format', 'json', '--config', file)
    return Object.keys((JSON.parse(stdout) as { Hypervisor: object }).Hypervisor)
  }
  const ofQemu = [
    'MachineType',
    'EntropySource',
    'VirtioFSDaemon',
    'HotPlugVFIO',
    'MemorySlots',
    'PCIeRootPort',
  ]
  expect(await told('qemu')).toEqual(expect.arrayContaining(ofQemu))
  expect((await told('firecracker')).filter((name) => ofQemu.includes(name))).toEqual([])
  expect(await told('firecracker')).toEqual(
    expect.arrayContaining(['Driver', 'Path', 'JailerPath', 'SharedFS']),
  )
  expect((await told('clh')).filter((name) => ofQemu.includes(name))).toEqual([
    'EntropySource',
    'VirtioFSDaemon',
  ])
})

test('data is JSON where it is asked for', async () => {
  for (const command of [['env'], ['config', 'show'], ['image', 'list', '--cache-dir', base], ['check']]) {
    const { stdout } = await kata(...command, '--format', 'json')
    expect(() => JSON.parse(stdout)).not.toThrow()
  }
})
