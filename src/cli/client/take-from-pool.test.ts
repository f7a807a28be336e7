/** Which container a waiting machine is asked to take, and what it is told; the machine is a socket that answers. */
import { afterEach, beforeEach, expect, test } from 'bun:test'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { silentLogger } from '../../log.ts'
import { Options } from '../../protocol/generated/containerd/runtime_options.ts'
import { type Answer, answerOne, type Question, socketOf } from '../../sandbox/pool/adoption-socket.ts'
import { shimSocketPath, waitingPaths } from '../../sandbox/records/paths.ts'
import { listen } from '../../ttrpc/bun.ts'
import { build } from '../../version.ts'
import type { Settings } from '../settings.ts'
import { startShim } from './shim-process.ts'

let directory: string
let bundle: string
let asked: Question[]
let answer: Answer
let pool: { stop(): void }
beforeEach(() => {
  directory = mkdtempSync(`${tmpdir()}/kata-ts-take-`)
  bundle = `${directory}/bundle`
  mkdirSync(bundle)
  specOf({})
  asked = []
  answer = { done: true, reason: '' }
  const paths = waitingPaths(directory, 'w1')
  mkdirSync(paths.stateDir, { recursive: true })
  pool = listen({ unix: socketOf(paths) }, (transport) => {
    void answerOne(transport, (question) => {
      asked.push(question)
      return answer
    })
  })
})
afterEach(() => {
  pool.stop()
  rmSync(directory, { recursive: true })
})

const specOf = (annotations: object) =>
  writeFileSync(`${bundle}/config.json`, JSON.stringify({ ociVersion: '1.0.2', annotations }))

/** Starts with a shim that notes that it was started. */
function start() {
  const program = `${directory}/shim`
  writeFileSync(program, `#!/bin/sh\necho started > ${directory}/started\necho unix:///its/own\n`, {
    mode: 0o755,
  })
  const env = { PATH: '/bin', BUN_OPTIONS: '--inspect' }
  const where = { runDir: directory, stateDir: directory, env, debug: false, log: silentLogger }
  const settings = { ...where, self: { program, prefix: [] } } as unknown as Settings
  const value = Options.encode(Options.fromPartial({ configPath: '/etc/own.toml' })).finish()
  const options = { typeUrl: 'runtimeoptions.v1.Options', value }
  return startShim(settings, { namespace: 'default', id: 'web', bundle }, options)
}
const isStarted = () => existsSync(`${directory}/started`)

test('a waiting machine takes it without a shim of its own', async () => {
  expect(await start()).toBe(`unix://${shimSocketPath(directory, 'default', 'web')}`)
  expect(isStarted()).toBe(false)
  const named = { namespace: 'default', id: 'web', bundle, build, configPath: '/etc/own.toml' }
  const env = { PATH: '/bin', TTRPC_ADDRESS: '' }
  expect(asked).toEqual([
    { ask: 'adopt', pod: { ...named, address: '', publishBinary: '', debug: false, env } },
  ])
})

test('one that is refused starts, and its shim is the one to ask again and to say why', async () => {
  answer = { done: false, reason: 'it has another configuration' }
  expect(await start()).toBe('unix:///its/own')
  expect({ started: isStarted(), log: existsSync(`${bundle}/shim.log`) }).toEqual({
    started: true,
    log: false,
  })
  expect(asked.length).toBe(1)
})

test('a container of a pod that has a shim is offered to nobody', async () => {
  specOf({ 'io.kubernetes.cri.container-type': 'container', 'io.kubernetes.cri.sandbox-id': 'pod' })
  expect(await start()).toBe('unix:///its/own')
  expect(asked).toEqual([])
})

test('without a pool, and without a specification, nobody is asked', async () => {
  rmSync(`${bundle}/config.json`)
  expect(await start()).toBe('unix:///its/own')
  pool.stop()
  rmSync(`${directory}/pool`, { recursive: true })
  specOf({})
  expect(await start()).toBe('unix:///its/own')
  expect(asked).toEqual([])
  expect(readFileSync(`${directory}/started`, 'utf8')).toBe('started\n')
})
