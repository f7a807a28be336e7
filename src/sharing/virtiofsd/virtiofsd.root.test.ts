import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Ledger } from '../../ledger/ledger.ts'
import { watchOpenFiles } from '../../linux/files/open-files.double.ts'
import { childrenOf, isAlive, ownProcess } from '../../linux/processes/proc.ts'
import { silentLogger } from '../../log.ts'
import { shareIdMap } from '../share-id-map.ts'
import { startVirtiofsd, virtiofsdResource } from './virtiofsd.ts'

let base: string
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'virtiofsd-'))
})
afterEach(() => rmSync(base, { recursive: true }))

test('a daemon that is killed before it is let go on did not start, and leaves nothing', async () => {
  const ledger = new Ledger(join(base, 'ledger'), [virtiofsdResource], silentLogger)
  const before = childrenOf(ownProcess()).map(({ pid }) => pid)
  const nothingStaysOpen = watchOpenFiles((name) => name.startsWith('socket:') || name.startsWith('user:'))
  const accept = () => {
    const [daemon] = childrenOf(ownProcess()).filter(({ pid }) => !before.includes(pid))
    process.kill(daemon!.pid, 'SIGKILL')
    while (isAlive(daemon!));
  }
  const start = startVirtiofsd(ledger, {
    sharedDir: base,
    stateDir: base,
    privateDir: base,
    program: '/usr/libexec/virtiofsd',
    cache: 'auto',
    nosuid: false,
    extraArgs: [],
    ids: shareIdMap({ first: 0x6f000000, count: 65535 }),
    accept,
  })
  await expect(start).rejects.toThrow(/^\[VIRTIOFSD_FAILED\].*SIGKILL/s)
  await nothingStaysOpen()
  expect(ledger.held).toEqual([])
  expect(readdirSync(base).filter((name) => name.endsWith('.sock'))).toEqual([])
})
