import { afterEach, beforeEach, expect, test } from 'bun:test'
import { closeSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { connectUnix } from '../ttrpc/bun.ts'
import { leave } from './daemon/serve.ts'
import { bindSocket, shimSocketPath } from './shim-socket.ts'
import { tearDownShim } from './teardown.ts'

const pod = { namespace: 'default', id: 'pod' }
let runDir: string
let path: string
beforeEach(() => {
  runDir = mkdtempSync(`${tmpdir()}/shim-socket-`)
  path = shimSocketPath(runDir, pod.namespace, pod.id)
})
afterEach(() => rmSync(runDir, { recursive: true }))

test('clients that come while the shim is busy wait, and are not told that it is gone', async () => {
  const listener = bindSocket(runDir, path, pod)
  try {
    const clients = await Promise.all(Array.from({ length: 100 }, () => connectUnix(path)))
    for (const client of clients) client.close()
    expect(clients).toHaveLength(100)
  } finally {
    closeSync(listener)
  }
})

test('a shim that tells its last events leaves its name to the next one', async () => {
  const old = bindSocket(runDir, path, pod)
  let next: number | undefined
  const services = {
    pod: { stopAnyway: async () => {} },
    events: {
      flush: async () => {
        next = bindSocket(runDir, path, pod)
      },
    },
    tasks: { shutdownsAnswered: async () => {} },
  }
  await leave(services, { stop: () => closeSync(old) }, path)
  expect(existsSync(path)).toBe(true)
  closeSync(next!)
})

test('a teardown that went on after `delete` leaves the socket to a shim that was started since', async () => {
  const flags = {
    ...pod,
    action: 'teardown' as const,
    address: '',
    publishBinary: '',
    bundle: '',
    debug: false,
  }
  const next = bindSocket(runDir, path, pod)
  await tearDownShim({ ...flags, runDir })
  expect(existsSync(path)).toBe(true)
  closeSync(next)
  await tearDownShim({ ...flags, runDir })
  expect(existsSync(path)).toBe(false)
})
