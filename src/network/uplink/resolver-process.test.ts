import { expect, test } from 'bun:test'
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openFiles } from '../../linux/files/open-files.double.ts'
import { ownProcess } from '../../linux/processes/proc.ts'
import { resolverLauncher } from './resolver-process.ts'

/** How often this process has a file open. */
const timesOpen = (path: string): number => openFiles().filter((name) => name === path).length

test('a name server that cannot be started leaves no descriptor behind, however often it is tried', async () => {
  const base = mkdtempSync(join(tmpdir(), 'resolver-'))
  try {
    const executable = join(base, 'program')
    writeFileSync(executable, '')
    const control = openSync(executable, 'r')
    expect(timesOpen(executable)).toBe(1)
    closeSync(control)
    const own = { executable, prefix: [] }
    const settings = { nft: '/nft', listen: '10.88.0.1', upstream: '169.254.2.3', ipv6: false }
    // As on a full /run, its filter cannot be written.
    const launch = resolverLauncher({ uid: 1, stateDir: join(base, 'missing') }, ownProcess(), settings, own)
    for (let tries = 0; tries < 3; tries++) await expect(launch({}, () => {})).rejects.toThrow('ENOENT')
    expect(timesOpen(executable)).toBe(0)
  } finally {
    rmSync(base, { recursive: true })
  }
})
