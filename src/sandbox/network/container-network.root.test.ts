import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { Ledger } from '../../ledger/ledger.ts'
import { watchOpenFiles } from '../../linux/files/open-files.double.ts'
import { silentLogger } from '../../log.ts'
import { memberResource } from '../../network/shared/shared.ts'
import { leaseResource } from '../../rootless/identity/lease.ts'
import { takeContainerNetwork } from './container-network.ts'

const reason = process.getuid?.() === 0 ? undefined : 'only root makes network namespaces'
if (reason !== undefined) console.log(`skipped: ${reason}`)

let directory: string
beforeEach(() => {
  directory = mkdtempSync(`${tmpdir()}/container-network-`)
})
afterEach(() => rmSync(directory, { recursive: true }))

test.skipIf(reason !== undefined)('a shared network is not held by one who could not get on it', async () => {
  const ledger = new Ledger(`${directory}/ledger`, [memberResource, leaseResource], silentLogger)
  const nothingStaysOpen = watchOpenFiles((name) => name.startsWith('net:'))
  const taken = takeContainerNetwork(ledger, {
    id: `member-${process.pid}`,
    namespace: 'test',
    wishes: {
      // Below the first port that is open to all, whichever that is here.
      ports: [{ protocol: 'tcp', host: -1, container: 80 }],
      place: { network: 'front', address: '10.89.0.2', names: [], gateway: '10.89.0.1', bits: 24 },
    },
    config: { hypervisor: { rootlessUidBase: 28_480 * 65_536, rootlessUidBlocks: 4 } },
    runDir: directory,
    stateDir: directory,
    log: silentLogger,
    signal: new AbortController().signal,
  } as unknown as Parameters<typeof takeContainerNetwork>[1])
  try {
    await expect(taken).rejects.toThrow('[NETWORK_PORT_RESERVED]')
    await nothingStaysOpen()
  } finally {
    await ledger.releaseAll()
  }
})
