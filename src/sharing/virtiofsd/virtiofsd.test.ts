import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Ledger } from '../../ledger/ledger.ts'
import { watchOpenFiles } from '../../linux/files/open-files.double.ts'
import { silentLogger } from '../../log.ts'
import type { ShareDaemonSpec } from './share-daemon.ts'
import { startVirtiofsd, virtiofsdResource } from './virtiofsd.ts'

let base: string
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'virtiofsd-'))
})
afterEach(() => rmSync(base, { recursive: true }))

test('a start that fails before there is a daemon leaves no descriptor open', async () => {
  const ledger = new Ledger(join(base, 'ledger'), [virtiofsdResource], silentLogger)
  const spec: ShareDaemonSpec = {
    sharedDir: base,
    // The seccomp filter cannot be written there.
    stateDir: join(base, 'none'),
    privateDir: base,
    program: process.execPath,
    cache: 'auto',
    nosuid: false,
    extraArgs: [],
  }
  const nothingStaysOpen = watchOpenFiles((name) => name.startsWith('socket:') || name.startsWith(base))
  await expect(startVirtiofsd(ledger, spec)).rejects.toThrow('ENOENT')
  await nothingStaysOpen()
  expect(readdirSync(base)).toEqual(['ledger'])
})
