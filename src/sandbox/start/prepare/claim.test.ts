import { afterEach, beforeEach, expect, test } from 'bun:test'
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { HostDouble } from '../doubles/host.double.ts'
import { claimOwner, claimSandbox, claimStateDir, requireStartable } from './claim.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'kata-ts-claim-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

const paths = () => ({
  runDir: join(directory, 'run'),
  stateDir: join(directory, 'run/ns/pod'),
  exportDir: join(directory, 'leases/share/key'),
})
const claim = () => claimStateDir(paths(), join(directory, 'leases'))
const modeOf = (path: string) => (statSync(join(directory, path)).mode & 0o777).toString(8)

test('a claim is a directory of root’s, below directories that a daemon may walk through and not read', () => {
  claim()
  const modes = ['run/ns/pod', 'run/ns', 'leases', 'leases/share'].map(modeOf)
  expect(modes).toEqual(['700', '700', '711', '711'])
})

test('of two claims of one name the second is refused, and the first one’s files stay', () => {
  claim()
  expect(claim).toThrow('[SANDBOX_EXISTS]')
  expect(existsSync(paths().stateDir)).toBe(true)
})

test('without a claim there is no ledger', () => {
  const host = {
    claimStateDir: () => {
      throw new Error('taken')
    },
    openLedger: () => expect.unreachable(),
  }
  using double = new HostDouble()
  const request = double.request()
  expect(() => claimSandbox(host, request, requireStartable(request))).toThrow('taken')
})

test('the owner is the first that the ledger holds, and disks of earlier boots are told', async () => {
  using double = new HostDouble()
  const request = double.request()
  const ledger = claimSandbox(double.host, request, requireStartable(request))
  const told: string[] = []
  const tell = (level: string) => (message: string, fields?: object) =>
    void told.push(`${level}: ${message} ${JSON.stringify(fields)}`)
  const log = { ...request.log, info: tell('info'), warn: tell('warn') }
  // That may take long, and a sandbox without an owner is garbage after some seconds.
  let held: readonly string[] = []
  const sweepDisks = () => {
    held = ledger.held
    return [{ path: '/a' }, { path: '/b', failure: 'EBUSY' }]
  }
  const { pid } = await claimOwner({ sweepDisks }, ledger, log)
  expect({ pid, held, heldThen: ledger.held }).toEqual({
    pid: process.pid,
    held: ['owner'],
    heldThen: ['owner'],
  })
  expect(told).toEqual([
    'info: disks of an earlier boot {"path":"/a"}',
    'warn: disks of an earlier boot {"path":"/b","failure":"EBUSY"}',
  ])
})

test('nothing is taken for what cannot start', () => {
  using double = new HostDouble()
  const request = double.request()
  expect(() => requireStartable({ ...request, id: '../x' })).toThrow('[ID_INVALID]')
  expect(() => requireStartable(double.request({ path: '/absent/vmm' }))).toThrow('[CONFIG_FILE_MISSING]')
  const volume = { destination: '/v', type: 'bind', source: '/usr', options: ['rw'] }
  const container = { ...request.container, spec: { mounts: [volume] } }
  const noShare = double.request({ driver: 'firecracker', jailerPath: '/bin/sh', sharedFs: 'none' })
  expect(() => requireStartable({ ...noShare, container })).toThrow('[SHARE_NOT_COPIED]')
  expect(requireStartable({ ...request, container }).stateDir).toBe(`${request.runDir}/test/pod`)
  expect(double.log).toEqual([])
})
