/** `delete` of a name that another shim has by now, as after a `docker restart`. */
import { afterEach, beforeEach, expect, test } from 'bun:test'
import { closeSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { writeShimProcess } from '../bundle/shim-process.ts'
import { processRef } from '../linux/processes/proc.ts'
import { sandboxPaths } from '../sandbox/records/paths.ts'
import { bindSocket, shimSocketPath } from './shim-socket.ts'

let base: string
const listeners: number[] = []
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'delete-'))
})
afterEach(() => {
  for (const fd of listeners.splice(0)) closeSync(fd)
  rmSync(base, { recursive: true })
})

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

/** The action, in a process of its own that first runs `prepare`. */
function runDelete({ runDir, bundle }: { runDir: string; bundle: string }, prepare = '') {
  const script = join(base, 'shim.ts')
  const source = (name: string) => JSON.stringify(join(import.meta.dir, name))
  writeFileSync(
    script,
    `import { deleteShim } from ${source('delete.ts')}
    import { parseShimFlags } from ${source('flags.ts')}
    import { tearDownShim } from ${source('teardown.ts')}
    import { writeShimProcess } from ${source('../bundle/shim-process.ts')}
    import { processRef } from ${source('../linux/processes/proc.ts')}
    const flags = parseShimFlags(process.argv.slice(2))
    if (flags.action === 'teardown') process.exit(await tearDownShim(flags))
    ${prepare}
    process.exit(await deleteShim(flags, ${JSON.stringify(bundle)}))`,
  )
  const flags = ['-namespace', 'n', '-id', 'c', '-bundle', bundle, '-run-dir', runDir, 'delete']
  const { exitCode, stderr } = Bun.spawnSync([process.execPath, script, ...flags], { stdin: 'ignore' })
  return { exitCode, said: stderr.toString() }
}

test('the shim that it is meant for goes with all that it left', () => {
  const sandbox = running()
  writeShimProcess(sandbox.bundle, processRef(process.pid)!)
  expect(runDelete(sandbox)).toEqual({ exitCode: 0, said: '' })
  expect(sandbox.isThere()).toEqual({ state: false, socket: false })
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
