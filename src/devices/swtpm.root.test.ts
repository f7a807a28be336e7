/** A TPM emulator that is not there, or is none. e2e/tpm.test.ts has the real one. */
import { afterEach, beforeEach, expect, test } from 'bun:test'
import { chownSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { Ledger } from '../ledger/ledger.ts'
import { processResource } from '../ledger/process-resource.ts'
import { silentLogger } from '../log.ts'
import { startTpm } from './swtpm.ts'

const uid = 0x6f000000 + 7 * 65536 - 1
let stateDir: string
let ledger: Ledger
beforeEach(() => {
  stateDir = mkdtempSync(`${tmpdir()}/swtpm-`)
  ledger = new Ledger(`${stateDir}/ledger.jsonl`, [processResource], silentLogger)
})
afterEach(async () => {
  await ledger.releaseAll()
  rmSync(stateDir, { recursive: true })
})

function start(program: string) {
  const privateDir = `${stateDir}/private`
  mkdirSync(privateDir, { recursive: true })
  chownSync(privateDir, uid, uid)
  const identity = { name: 'kata-6', uid, gid: uid, groups: [] }
  const { signal } = new AbortController()
  return startTpm(ledger, {
    program,
    identity,
    privateDir,
    stateDir,
    landlock: 'best-effort',
    log: silentLogger,
    signal,
  })
}

test('one that is not there is told with its path', async () => {
  await expect(start('/usr/bin/no-such-tpm')).rejects.toMatchObject({
    code: 'TPM_MISSING',
    fields: { path: '/usr/bin/no-such-tpm' },
    remedy: expect.stringContaining('swtpm_path'),
  })
})

test('a program that ends without an answer is told, and nothing of it is left', async () => {
  await expect(start('/usr/bin/true')).rejects.toMatchObject({
    code: 'TPM_FAILED',
    fields: { path: '/usr/bin/true', reason: 'it ended' },
    remedy: expect.stringContaining('enable_tpm = false'),
  })
  expect(ledger.held).toEqual([])
})
