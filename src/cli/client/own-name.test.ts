/** A container's name in its bundle, at a start and after a rename. */
import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readEventLogWishes } from '../../bundle/event-log.ts'
import { bundleFile } from '../../bundle/files.ts'
import { readNetworkWishes, writeNetworkWishes } from '../../bundle/network.ts'
import { writeOwnName } from './own-name.ts'
import { type ContainerRecord, createRecord } from './record.ts'

let stateDir: string
beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), 'kata-ts-own-name-'))
})
afterEach(() => rmSync(stateDir, { recursive: true }))

const record: ContainerRecord = {
  id: 'Web',
  namespace: 'default',
  command: ['true'],
  image: 'busybox',
  layers: [],
  bootId: 'b',
  createdAt: '2026-01-01T00:00:00.000Z',
  status: 'stopped',
  terminal: false,
  detached: false,
  autoRemove: false,
}
const place = { network: 'front', address: '10.89.0.2', bits: 24, gateway: '10.89.0.1' }
const ports = [{ host: 8080, container: 80, protocol: 'tcp' }] as const

function made(names: readonly string[]): string {
  const { bundle } = createRecord(stateDir, record)
  // In another order than a reader makes it: what counts is what it says.
  writeNetworkWishes(bundle, { place: { names, ...place }, ports })
  return bundle
}

test('a start that finds the name there writes nothing', () => {
  const bundle = made(['web', 'alias'])
  writeOwnName(stateDir, record)
  const files = (['network', 'events'] as const).map((file) => bundleFile(bundle, file))
  const inodes = () => files.map((file) => statSync(file).ino)
  // A new file is made while the old one is there, so it has another inode.
  const before = inodes()
  writeOwnName(stateDir, record)
  expect(inodes()).toEqual(before)
})

test('the name takes the place of one that a killed rename left, and of what a crash of the host left', () => {
  const bundle = made(['old', 'alias'])
  writeFileSync(bundleFile(bundle, 'events'), '')
  writeOwnName(stateDir, record)
  expect(readNetworkWishes(bundle)).toMatchObject({ ports, place: { ...place, names: ['web', 'alias'] } })
  expect(readEventLogWishes(bundle)).toMatchObject({ stateDir, attributes: { name: 'Web' } })
})
