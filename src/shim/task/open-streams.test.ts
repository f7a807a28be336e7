import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { watchOpenFiles } from '../../linux/files/open-files.double.ts'
import { checkStreams, openStreams } from './open-streams.ts'

let directory: string
let nothingStaysOpen: () => Promise<void>
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'streams-'))
  nothingStaysOpen = watchOpenFiles((name) => name.startsWith('pipe:') || name.startsWith(directory))
})
afterEach(async () => {
  await nothingStaysOpen()
  rmSync(directory, { recursive: true })
})

const owner = { namespace: 'k8s.io', id: 'c1' }
const kept = (name: string) => readFileSync(join(directory, name), 'utf8')

/** A logging program that keeps both streams in files of this name. */
function program(name: string): string {
  const path = join(directory, `log-${name}`)
  const script = `#!/bin/sh
    cd ${directory}; echo $$ > ${name}.pid; exec 5>&-
    cat <&3 > ${name}.out & cat <&4 > ${name}.err; wait`
  writeFileSync(path, script, { mode: 0o700 })
  return `binary://${path}`
}

/** Writes the name of each stream to it and ends all of them. */
async function useUp(stdio: { stdout: string; stderr: string; terminal: boolean }): Promise<void> {
  const { sinks, logged } = await openStreams({ stdin: '', ...stdio }, owner)
  for (const [stream, sink] of sinks) {
    await sink.write(Buffer.from(stream))
    await sink.close()
  }
  await logged
}

test('a program that is named for both streams is one', async () => {
  const uri = program('both')
  await useUp({ stdout: uri, stderr: uri, terminal: false })
  expect([kept('both.out'), kept('both.err')]).toEqual(['stdout', 'stderr'])
})

test('each stream has its own where two are named', async () => {
  await useUp({ stdout: program('one'), stderr: program('two'), terminal: false })
  expect(['one.out', 'one.err', 'two.out', 'two.err'].map(kept)).toEqual(['stdout', '', '', 'stderr'])
})

test('a terminal has one stream, and the program sees the end of the other at once', async () => {
  const uri = program('terminal')
  await useUp({ stdout: uri, stderr: uri, terminal: true })
  expect([kept('terminal.out'), kept('terminal.err')]).toEqual(['stdout', ''])
})

test('no program is left when another stream cannot be opened', async () => {
  const stdio = { stdin: '/nonexistent/fifo', stdout: program('left'), stderr: '', terminal: false }
  await expect(openStreams(stdio, owner)).rejects.toThrow('STDIO_INVALID')
  const pid = Number(kept('left.pid'))
  const isThere = () => {
    try {
      return process.kill(pid, 0)
    } catch {
      return false
    }
  }
  while (isThere()) await Bun.sleep(1)
})

test('a program that is not there is known before there is a process', () => {
  checkStreams({ stdout: program('there'), stderr: '' })
  checkStreams({ stdout: '', stderr: '/nonexistent/fifo' })
  for (const streams of [
    { stdout: 'binary:///nonexistent', stderr: '' },
    { stdout: '', stderr: 'binary:///etc/passwd' },
  ])
    expect(() => checkStreams(streams)).toThrow('STDIO_INVALID')
})
