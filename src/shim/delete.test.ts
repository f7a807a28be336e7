/** `delete` of a name that another shim has by now, as after a `docker restart`. */
import { afterEach, beforeEach, expect, test } from 'bun:test'
import { closeSync, existsSync, lstatSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { writeShimProcess } from '../bundle/shim-process.ts'
import { processRef } from '../linux/processes/proc.ts'
import { sandboxPaths, shimSocketPath } from '../sandbox/records/paths.ts'
import { runDelete } from './delete.double.ts'
import { bindSocket } from './shim-socket.ts'

let base: string
const listeners: number[] = []
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'delete-'))
})
afterEach(() => {
  for (const fd of listeners.splice(0)) closeSync(fd)
  rmSync(base, { recursive: true })
})

/** A process that is not there once this block ends; with a descriptor of its own. */
async function someProcess(fd?: number) {
  const child = Bun.spawn(['/usr/bin/sleep', '60'], { stdio: [fd ?? 'ignore', 'ignore', 'ignore'] })
  return {
    child,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await child.exited
    },
  }
}

/** A sandbox of that name, on whose socket a shim listens. */
function running() {
  const [runDir, bundle] = [join(base, 'run'), join(base, 'bundle')]
  const { stateDir } = sandboxPaths(runDir, 'n', 'c')
  for (const directory of [bundle, stateDir]) mkdirSync(directory, { recursive: true })
  const socket = shimSocketPath(runDir, 'n', 'c')
  listeners.push(bindSocket(runDir, socket, { namespace: 'n', id: 'c' }))
  return {
    runDir,
    bundle,
    stateDir,
    socket,
    isThere: () => ({ state: existsSync(stateDir), socket: existsSync(socket) }),
  }
}

test('the shim that it is meant for goes with all that it left', async () => {
  await using shim = await someProcess()
  const sandbox = running()
  writeShimProcess(sandbox.bundle, processRef(shim.child.pid)!)
  closeSync(listeners.pop()!)
  expect(runDelete(sandbox)).toEqual({ exitCode: 0, said: '' })
  expect(sandbox.isThere()).toEqual({ state: false, socket: false })
  // It had no sandbox that was torn down with it, and is asked to end.
  await shim.child.exited
  expect(shim.child.signalCode).toBe('SIGTERM')
})

test('the socket of a shim that ends by the signal goes with it', async () => {
  const sandbox = running()
  rmSync(sandbox.stateDir, { recursive: true })
  const listener = listeners.pop()!
  await using shim = await someProcess(listener)
  closeSync(listener)
  writeShimProcess(sandbox.bundle, processRef(shim.child.pid)!)
  expect(runDelete(sandbox)).toEqual({ exitCode: 0, said: '' })
  expect(sandbox.isThere().socket).toBe(false)
})

test('a socket on which another one listens by then stays', async () => {
  const sandbox = running()
  {
    await using dead = await someProcess()
    writeShimProcess(sandbox.bundle, processRef(dead.child.pid)!)
  }
  // The other one is not written down yet.
  expect(runDelete(sandbox)).toEqual({ exitCode: 0, said: '' })
  expect(sandbox.isThere()).toEqual({ state: false, socket: true })
})

test('a shim that began after it is left alone', () => {
  const sandbox = running()
  const young = `
    const young = Bun.spawn(['sleep', '60'])
    process.on('exit', () => young.kill('SIGKILL'))
    writeShimProcess(flags.bundle, processRef(young.pid)!)`
  const { exitCode, said } = runDelete(sandbox, young)
  expect(exitCode).toBe(0)
  expect(said).toContain('a younger shim has this name')
  expect(sandbox.isThere()).toEqual({ state: true, socket: true })
})

test('a socket on which one listens that is not written down yet stays', () => {
  const sandbox = running()
  rmSync(sandbox.stateDir, { recursive: true })
  expect(runDelete(sandbox).exitCode).toBe(0)
  expect(sandbox.isThere().socket).toBe(true)
})

test('a name whose directory somebody has removed goes', () => {
  const { runDir, bundle, stateDir } = running()
  rmSync(stateDir, { recursive: true })
  symlinkSync('../pool/removed', stateDir)
  expect(runDelete({ runDir, bundle }).exitCode).toBe(0)
  expect(lstatSync(stateDir, { throwIfNoEntry: false })).toBeUndefined()
})
