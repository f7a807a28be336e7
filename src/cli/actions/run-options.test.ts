import { afterAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { silentLogger } from '../../log.ts'
import type { RunFlags } from '../commands/run.ts'
import type { Settings } from '../settings.ts'
import { askedOf, limitsOf } from './run-options.ts'

const base = mkdtempSync(`${tmpdir()}/run-options-`)
afterAll(() => rmSync(base, { recursive: true }))
const configFile = `${base}/configuration.toml`
writeFileSync(configFile, '')
writeFileSync(`${base}/image`, '')
const settings: Settings = {
  namespace: 'default',
  runDir: `${base}/run`,
  stateDir: `${base}/state`,
  format: 'text',
  debug: false,
  log: silentLogger,
  self: { program: 'kata-ts', prefix: [] },
  env: {},
  print: () => true,
  tell: () => {},
}
const asked = (flags: RunFlags) =>
  askedOf(settings, { config: configFile, name: 'c1', detach: true, ...flags })

test('a limit of 0 is none, as with docker, and so is -1 for processes', () => {
  expect(limitsOf({ memory: '0', cpus: '0', pidsLimit: '0' })).toEqual({})
  expect(limitsOf({ pidsLimit: '-1' })).toEqual({})
  expect(limitsOf({ memory: '6m', cpus: '0.5', pidsLimit: '7' })).toEqual({
    memoryBytes: 6 * 2 ** 20,
    cpus: 0.5,
    pids: 7,
  })
  for (const flags of [{ memory: '-1' }, { cpus: '-1' }, { pidsLimit: '-2' }])
    expect(() => limitsOf(flags)).toThrow('[OPTION_INVALID]')
})

test('nothing is mounted over /proc, and that is said before anything is made', () => {
  for (const flags of [
    { volume: ['/usr:/proc'] },
    { volume: ['/proc/sys:/proc'] },
    { volume: ['data:/proc/sys'] },
    { mount: ['type=bind,source=/usr,target=//proc/1/'] },
    { tmpfs: ['/proc'] },
    { mount: ['type=tmpfs,target=/proc/'] },
    { device: [`${base}/image:/proc/self`] },
  ])
    expect(() => asked(flags)).toThrow('[MOUNT_ON_PROC] container c1 mounts something at')
})

test('what the shim allows at /proc is asked for', () => {
  const { volumes } = asked({ volume: ['/proc:/proc', '/etc/hostname:/proc/meminfo', 'data:/process'] })
  expect(volumes.map(({ destination }) => destination)).toEqual(['/proc', '/proc/meminfo', '/process'])
})
