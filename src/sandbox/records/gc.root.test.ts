/** What is collected of a run directory, and what is left alone. The uid range is one that nothing else of this host has. */
import { afterEach, beforeEach, expect, setSystemTime, test } from 'bun:test'
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { tryDirectoryLock } from '../../linux/files/directory-lock.ts'
import { bindMount, mount, unmountBelow } from '../../linux/mounts/mount.ts'
import { isAlive, type ProcessRef, processRef } from '../../linux/processes/proc.ts'
import { listenUnix } from '../../linux/sockets/socket.ts'
import { silentLogger } from '../../log.ts'
import { type Collected, collectGarbage } from './gc.ts'
import { sandboxPaths } from './paths.ts'

let runDir: string
beforeEach(() => {
  runDir = mkdtempSync(`${tmpdir()}/gc-`)
})
afterEach(() => rmSync(runDir, { recursive: true }))

const collected = async () => {
  const range = { base: 0x6d000000, blocks: 1 }
  const found = await collectGarbage({ runDir, range, log: silentLogger })
  return found.filter(({ name }) => name.startsWith('default/') || name.startsWith(runDir))
}

/** The state directory of a sandbox whose ledger names this process; of one without, no process has said that it is its own. */
function sandbox(id: string, owner?: ProcessRef): string {
  const { stateDir, ledger } = sandboxPaths(runDir, 'default', id)
  mkdirSync(stateDir, { recursive: true })
  if (owner !== undefined)
    writeFileSync(ledger, `${JSON.stringify({ op: 'take', id: 1, kind: 'owner', data: owner })}\n`)
  return stateDir
}

test('sandboxes of the dead are collected; those of the living, and those that are being made, are not', async () => {
  const shim = Bun.spawn(['/usr/bin/sleep', '60'])
  const dead = sandbox('dead', processRef(shim.pid))
  shim.kill('SIGKILL')
  await shim.exited
  const alive = sandbox('alive', processRef(process.pid))
  const young = sandbox('young')
  expect(await collected()).toEqual([{ kind: 'sandbox', name: 'default/dead' }])
  expect([dead, alive, young].map((path) => existsSync(path))).toEqual([false, true, true])
})

test('one that is being made is left alone also where the kernel keeps no time of birth, as older ones in /run', async () => {
  // That file system keeps none to this day.
  mount({ source: 'ramfs', target: runDir, type: 'ramfs' })
  try {
    const young = sandbox('young')
    expect(statSync(young).birthtimeMs).toBe(0)
    expect(await collected()).toEqual([])
    expect(existsSync(young)).toBe(true)
  } finally {
    unmountBelow(runDir)
  }
})

test('a start that was killed is no young one for as long as the clock was set back', async () => {
  sandbox('young')
  expect(await collected()).toEqual([])
  setSystemTime(Date.now() - 3600_000)
  try {
    expect(await collected()).toEqual([{ kind: 'sandbox', name: 'default/young' }])
  } finally {
    setSystemTime()
  }
})

test('what is mounted in the directory of a sandbox stays, whichever way leads there', async () => {
  const real = `${runDir}/real`
  mkdirSync(real)
  symlinkSync('real', `${runDir}/link`)
  const volume = `${runDir}/volume`
  mkdirSync(volume)
  writeFileSync(`${volume}/file`, '')
  const { stateDir, ledger } = sandboxPaths(`${runDir}/link`, 'default', 'pod')
  mkdirSync(`${stateDir}/left`, { recursive: true })
  const owner = { pid: 1, startTime: '1' }
  writeFileSync(ledger, `${JSON.stringify({ op: 'take', id: 1, kind: 'owner', data: owner })}\n`)
  bindMount(volume, `${stateDir}/left`)
  try {
    const range = { base: 0x6d000000, blocks: 1 }
    await collectGarbage({ runDir: `${runDir}/link`, range, log: silentLogger })
    expect([existsSync(stateDir), existsSync(`${volume}/file`)]).toEqual([false, true])
  } finally {
    unmountBelow(runDir)
  }
})

test('a sandbox that has a living shim once its turn comes is left alone', async () => {
  const gone = Bun.spawn(['/usr/bin/sleep', '60'])
  const stateDir = sandbox('again', processRef(gone.pid))
  gone.kill('SIGKILL')
  await gone.exited
  const shim = Bun.spawn(['/usr/bin/sleep', '60'])
  const ref = processRef(shim.pid)!
  try {
    let turn = Promise.resolve<readonly Collected[]>([])
    {
      using _held = tryDirectoryLock(stateDir)
      turn = collected()
      // As one that was torn down and started anew while this one read who had it.
      sandbox('again', ref)
    }
    expect(await turn).toEqual([])
    expect([isAlive(ref), existsSync(stateDir)]).toEqual([true, true])
  } finally {
    shim.kill('SIGKILL')
    await shim.exited
  }
})

test('a sandbox whose ledger cannot be read is told, and keeps no other from being collected', async () => {
  const broken = sandboxPaths(runDir, 'default', 'broken')
  mkdirSync(broken.ledger, { recursive: true })
  const shim = Bun.spawn(['/usr/bin/sleep', '60'])
  const dead = sandbox('dead', processRef(shim.pid))
  shim.kill('SIGKILL')
  await shim.exited
  expect(await collected()).toEqual([
    { kind: 'sandbox', name: 'default/broken', failure: expect.stringContaining('EISDIR') },
    { kind: 'sandbox', name: 'default/dead' },
  ])
  expect([broken.stateDir, dead].map((path) => existsSync(path))).toEqual([true, false])
})

test('what is no socket among the sockets is told, and keeps no other from being collected', async () => {
  mkdirSync(`${runDir}/s/directory`, { recursive: true })
  closeSync(listenUnix(`${runDir}/s/one`))
  const [directory, one] = await collected()
  expect(directory).toMatchObject({ kind: 'socket', name: `${runDir}/s/directory` })
  expect(directory?.failure).toContain('directory')
  expect(one).toEqual({ kind: 'socket', name: `${runDir}/s/one` })
})

test('sockets that nobody listens on are collected', async () => {
  mkdirSync(`${runDir}/s`)
  const listener = listenUnix(`${runDir}/s/alive`)
  closeSync(listenUnix(`${runDir}/s/dead`))
  try {
    expect(await collected()).toEqual([{ kind: 'socket', name: `${runDir}/s/dead` }])
    expect(existsSync(`${runDir}/s/alive`)).toBe(true)
  } finally {
    closeSync(listener)
  }
})
