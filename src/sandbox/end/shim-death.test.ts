import { afterEach, beforeEach, expect, test } from 'bun:test'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { processRef } from '../../linux/processes/proc.ts'
import { type Logger, silentLogger } from '../../log.ts'
import { sandboxPaths } from '../records/paths.ts'
import { writeTaskRecord } from '../records/task-records.ts'
import { tellShimDeath } from './shim-death.ts'
import { teardown } from './teardown.ts'

const uid = '0f6b62a2-3c5e-4a0e-9d53-6f1d1a5d3c11'
const dead = { pid: 4242, startTime: 'another' }
const told = (id: string) => `[SHIM_DIED] the shim of container ${id} died while the container ran. `

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'shim-death-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

/** A container as its shim left it. Returns the kubelet's file. */
function container(id: string, { message = '' } = {}): string {
  const paths = sandboxPaths(directory, 'k8s.io', 'pod')
  const bundle = join(directory, 'bundles', id)
  const files = join(directory, 'pods', uid, 'containers', id)
  for (const path of [bundle, files, paths.stateDir]) mkdirSync(path, { recursive: true })
  const source = join(files, '0a1b2c3d')
  writeFileSync(source, message)
  const mounts = [{ destination: '/dev/termination-log', type: 'bind', source, options: ['rbind', 'rw'] }]
  writeFileSync(join(bundle, 'config.json'), JSON.stringify({ ociVersion: '1.2.0', mounts }))
  const record = { namespace: 'k8s.io', sandboxId: 'pod', address: 'unix:///s', createdAt: '2026-01-01' }
  writeTaskRecord(paths, { ...record, id, bundle })
  return source
}
const paths = () => sandboxPaths(directory, 'k8s.io', 'pod')
const read = (file: string) => readFileSync(file, 'utf8')

test('is told in the message of each container that has written none', () => {
  const [quiet, other, own] = [container('a'), container('b'), container('c', { message: 'mine' })]
  for (const _ of ['once', 'again']) tellShimDeath(paths(), dead, silentLogger)
  expect(read(quiet)).toStartWith(told('a'))
  expect(read(other)).toStartWith(told('b'))
  expect(read(quiet).match(/SHIM_DIED/g)).toHaveLength(1)
  expect(read(own)).toBe('mine')
})

test('a shim that is alive has not died', () => {
  const file = container('a')
  tellShimDeath(paths(), processRef(process.pid)!, silentLogger)
  expect(read(file)).toBe('')
})

test('a container whose bundle is gone keeps no other from being told', () => {
  const [lost, found] = [container('a'), container('b')]
  rmSync(join(directory, 'bundles/a'), { recursive: true })
  const warned: unknown[] = []
  const log: Logger = { ...silentLogger, warn: (_message, fields) => void warned.push(fields?.container) }
  tellShimDeath(paths(), dead, log)
  expect([read(lost), warned]).toEqual(['', ['a']])
  expect(read(found)).toStartWith(told('b'))
})

test('the teardown tells it before the sandbox is gone', async () => {
  const file = container('a')
  writeFileSync(paths().ledger, `${JSON.stringify({ op: 'take', id: 1, kind: 'owner', data: dead })}\n`)
  await teardown(paths(), silentLogger)
  expect([read(file).startsWith(told('a')), existsSync(paths().stateDir)]).toEqual([true, false])
})
