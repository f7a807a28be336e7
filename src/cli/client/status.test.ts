import { afterEach, beforeEach, expect, test } from 'bun:test'
import { closeSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { bootId } from '../../linux/processes/proc.ts'
import { listenUnix } from '../../linux/sockets/socket.ts'
import { connectUnix } from '../../ttrpc/bun.ts'
import type { ContainerRecord } from './record.ts'
import { observe } from './status.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(`${tmpdir()}/status-`)
})
afterEach(() => rmSync(directory, { recursive: true }))

const recordAt = (path: string) =>
  ({
    id: 'web',
    namespace: 'default',
    status: 'running',
    bootId: bootId(),
    address: `unix://${path}`,
  }) as ContainerRecord

test('a shim that is there and can take no more clients is not dead; one that left its socket is', async () => {
  const path = `${directory}/socket`
  const shim = listenUnix(path, 1)
  const clients = await Promise.all([connectUnix(path), connectUnix(path)])
  expect(await observe(recordAt(path))).toEqual({ status: 'unresponsive', held: true })
  for (const client of clients) client.close()
  closeSync(shim)
  expect(await observe(recordAt(path))).toEqual({ status: 'dead', held: true })
  expect(await observe(recordAt(`${directory}/none`))).toEqual({ status: 'dead', held: true })
})
