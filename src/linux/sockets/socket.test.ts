import { afterEach, beforeEach, expect, test } from 'bun:test'
import { closeSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { isListening, listenUnix } from './socket.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(`${tmpdir()}/socket-`)
})
afterEach(() => rmSync(directory, { recursive: true }))

/** What a process of its own says of the socket, as a call that waits cannot be ended from within; undefined when it says nothing. */
function saidOf(path: string): string | undefined {
  const code = `
    import { isListening } from '${import.meta.dir}/socket.ts'
    process.stdout.write(String(isListening('${path}')))`
  const { exitCode, stdout } = Bun.spawnSync([process.execPath, '-e', code], { timeout: 10_000 })
  return exitCode === 0 ? stdout.toString() : undefined
}

test('a process that takes no connection listens all the same, however many wait', () => {
  const path = `${directory}/socket`
  const listener = listenUnix(path, 1)
  try {
    expect([1, 2, 3, 4].map(() => saidOf(path))).toEqual(['true', 'true', 'true', 'true'])
  } finally {
    closeSync(listener)
  }
})

test('nobody listens where a crash left the socket, where there is none, and at a file', () => {
  const path = `${directory}/socket`
  closeSync(listenUnix(path))
  writeFileSync(`${directory}/file`, '')
  expect([path, `${directory}/none`, `${directory}/file`].map(isListening)).toEqual([false, false, false])
})
