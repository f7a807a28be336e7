import { afterEach, beforeEach, expect, test } from 'bun:test'
import { existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { openFiles, watchOpenFiles } from '../../linux/files/open-files.double.ts'
import { spawnOn } from './process.double.ts'
import { type AttachedStreams, attachStreams } from './streams.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(`${tmpdir()}/streams-`)
})
afterEach(() => rmSync(directory, { recursive: true }))

function attach(input = ''): AttachedStreams {
  writeFileSync(`${directory}/input`, input)
  return attachStreams({
    directory: `${directory}/io`,
    interactive: input !== '',
    terminal: false,
    input: openSync(`${directory}/input`, 'r'),
    output: openSync(`${directory}/out`, 'w'),
    errors: openSync(`${directory}/err`, 'w'),
  })
}

const run = (script: string, { uris }: AttachedStreams) => spawnOn(uris, ['sh', '-c', script]).child

test('both outputs arrive whole and apart', async () => {
  const streams = attach()
  const { exited } = run('echo oops >&2; head -c 3000000 /dev/zero', streams)
  await exited
  streams.started()
  await streams.drained
  expect(readFileSync(`${directory}/out`).length).toBe(3_000_000)
  expect(readFileSync(`${directory}/err`, 'utf8')).toBe('oops\n')
  streams.close()
  expect(existsSync(`${directory}/io`)).toBe(false)
})

test('output does not end before the process has opened its end', async () => {
  const streams = attach()
  await Bun.sleep(50)
  const { exited } = run('echo late', streams)
  await exited
  streams.started()
  await streams.drained
  expect(readFileSync(`${directory}/out`, 'utf8')).toBe('late\n')
})

test('stdin arrives whole and ends', async () => {
  const text = 'x'.repeat(500_000)
  const streams = attach(text)
  const { exited } = run('wc -c', streams)
  streams.started()
  expect(await exited).toBe(0)
  await streams.drained
  expect(readFileSync(`${directory}/out`, 'utf8').trim()).toBe('500000')
})

test('an end that stays open but silent is given up', async () => {
  const streams = attach()
  const holder = run('exec sleep 20', streams)
  streams.started()
  await streams.finish(150)
  holder.kill('SIGKILL')
  await holder.exited
  await streams.drained
})

test('the FIFOs are gone once the shim has opened them', async () => {
  const streams = attach('x')
  const { exited } = run('cat', streams)
  expect(existsSync(`${directory}/io`)).toBe(true)
  streams.started()
  expect(existsSync(`${directory}/io`)).toBe(false)
  expect(await exited).toBe(0)
  await streams.drained
  expect(readFileSync(`${directory}/out`, 'utf8')).toBe('x')
})

test('of a process that does not start nothing stays open', async () => {
  const isFifo = (name: string) => name.startsWith(`${directory}/io/`)
  const nothingStaysOpen = watchOpenFiles(isFifo)
  const streams = attach('x')
  // Both ends of two outputs, and the input. Bun has more of them.
  expect(openFiles().filter(isFifo).length).toBeGreaterThanOrEqual(5)
  streams.close()
  await streams.drained
  await nothingStaysOpen()
  expect(existsSync(`${directory}/io`)).toBe(false)
})

test('of streams that cannot be made nothing stays, neither open nor in the file system', async () => {
  const nothingStaysOpen = watchOpenFiles((name) => name.startsWith(`${directory}/io/`))
  const make = () =>
    attachStreams({
      directory: `${directory}/io`,
      interactive: true,
      terminal: false,
      input: 0,
      output: openSync(`${directory}/out`, 'w'),
      // No descriptor has it: as one that cannot be opened.
      errors: 999_999,
    })
  expect(make).toThrow('EBADF')
  expect(existsSync(`${directory}/io`)).toBe(false)
  await nothingStaysOpen()
  // That of another stays.
  mkdirSync(`${directory}/io`)
  expect(make).toThrow('EEXIST')
  expect(existsSync(`${directory}/io`)).toBe(true)
})

test('a full disk is reported once and output goes on being read', async () => {
  const streams = attachStreams({
    directory: `${directory}/io`,
    interactive: false,
    terminal: true,
    input: 0,
    output: openSync('/dev/full', 'w'),
    errors: 2,
  })
  const { exited } = run('head -c 1000000 /dev/zero', streams)
  expect(((await streams.broken) as NodeJS.ErrnoException).code).toBe('ENOSPC')
  streams.started()
  expect(await exited).toBe(0)
  await streams.drained
})
