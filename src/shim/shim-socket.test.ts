import { expect, test } from 'bun:test'
import { closeSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { connectUnix } from '../ttrpc/bun.ts'
import { bindSocket, shimSocketPath } from './shim-socket.ts'

test('clients that come while the shim is busy wait, and are not told that it is gone', async () => {
  const runDir = mkdtempSync(`${tmpdir()}/shim-socket-`)
  const pod = { namespace: 'default', id: 'pod' }
  const path = shimSocketPath(runDir, pod.namespace, pod.id)
  const listener = bindSocket(runDir, path, pod)
  try {
    const clients = await Promise.all(Array.from({ length: 100 }, () => connectUnix(path)))
    for (const client of clients) client.close()
    expect(clients).toHaveLength(100)
  } finally {
    closeSync(listener)
    rmSync(runDir, { recursive: true })
  }
})
