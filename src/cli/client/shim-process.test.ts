/** What a client says of a shim whose short-lived actions fail without a code of theirs. */
import { afterEach, beforeEach, expect, test } from 'bun:test'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { silentLogger } from '../../log.ts'
import type { Settings } from '../settings.ts'
import { deleteShim, startShim } from './shim-process.ts'

let bundle: string
beforeEach(() => {
  bundle = mkdtempSync(`${tmpdir()}/shim-process-`)
})
afterEach(() => rmSync(bundle, { recursive: true }))

function shim(script: string): Settings {
  const program = `${bundle}/shim`
  writeFileSync(program, `#!/bin/sh\n${script}\n`, { mode: 0o755 })
  const where = { runDir: bundle, stateDir: bundle, env: {}, debug: false, log: silentLogger }
  return { ...where, self: { program, prefix: [] } } as unknown as Settings
}
const target = () => ({ namespace: 'default', id: 'web', bundle })

test('a start without an address is told with the last words of the shim', async () => {
  await expect(startShim(shim('echo "no memory" >&2; exit 3'), target())).rejects.toMatchObject({
    code: 'SHIM_START_FAILED',
    fields: { id: 'web', reason: 'exit code 3, no address; no memory' },
    remedy: expect.stringContaining('--log-level debug'),
  })
  await expect(startShim(shim('echo tcp://1'), target())).rejects.toThrow(
    /^\[SHIM_START_FAILED\].*exit code 0, no address/,
  )
  expect(await startShim(shim('echo unix:///run/s'), target())).toBe('unix:///run/s')
})

test('without its directory a container is not started, and what it left is released', async () => {
  const settings = shim(`pwd >> ${bundle}/where`)
  const gone = { ...target(), bundle: `${bundle}/gone` }
  await expect(startShim(settings, gone)).rejects.toThrow(/^\[START_GIVEN_UP\].*was removed meanwhile/)
  expect(existsSync(`${bundle}/where`)).toBe(false)
  await deleteShim(settings, gone)
  expect(readFileSync(`${bundle}/where`, 'utf8')).toBe('/\n')
})

test('and so is a release that failed', async () => {
  await expect(deleteShim(shim('echo "a mount stays" >&2; exit 1'), target())).rejects.toMatchObject({
    code: 'SHIM_DELETE_FAILED',
    fields: { id: 'web', reason: 'exit code 1; a mount stays' },
    remedy: expect.stringContaining('kata-ts gc'),
  })
})
