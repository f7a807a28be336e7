import { afterEach, beforeEach, expect, test } from 'bun:test'
import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeFifo } from '../../linux/files/fifo.ts'
import { watchOpenFiles } from '../../linux/files/open-files.double.ts'
import { listPids, readProc } from '../../linux/processes/proc.ts'
import { type LoggingLimits, startLoggingProgram } from './logging-program.ts'

let directory: string
let nothingStaysOpen: () => Promise<void>
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'logging-'))
  nothingStaysOpen = watchOpenFiles((name) => name.startsWith('pipe:') || name.startsWith(directory))
})
afterEach(async () => {
  await nothingStaysOpen()
  rmSync(directory, { recursive: true })
})

const bytes = (text: string) => new TextEncoder().encode(text)
const kept = (name: string) => readFileSync(join(directory, name), 'utf8')
const isReady = 'exec 5>&-'

/** A program in a directory with a space, by its URI. */
function program(script: string, query = ''): string {
  const path = join(directory, 'a logger')
  writeFileSync(path, `#!/bin/sh\ncd '${directory}'\n${script}\n`, { mode: 0o700 })
  return `binary://${encodeURI(path)}${query}`
}

/** Processes that run it: its interpreter is given its path. */
const running = () => listPids().filter((pid) => readProc(`/proc/${pid}/cmdline`)?.includes(directory))

const start = (uri: string, limits?: Partial<LoggingLimits>) =>
  startLoggingProgram(uri, { namespace: 'k8s.io', id: 'c1' }, { readyMs: 10_000, endMs: 10_000, ...limits })

test('it has the output, the error stream, the arguments of the URI, and the name of the container and of nothing else', async () => {
  const uri = program(
    `${isReady}; printf '<%s>' "$@" > arguments; env > environment; cat <&3 > out & cat <&4 > err; wait`,
    '?_LOG=%2Fvar%2Flib%2Fa+b&flag&_LOG=again',
  )
  const { stdout, stderr, ended } = await start(uri)
  await stdout.write(bytes('out '))
  await stderr.write(bytes('err'))
  await stdout.write(new Uint8Array(300_000).fill(0x78))
  await stdout.close()
  await stderr.close()
  await ended
  expect(kept('out')).toBe(`out ${'x'.repeat(300_000)}`)
  expect(kept('err')).toBe('err')
  expect(kept('arguments')).toBe('<_LOG></var/lib/a b><flag><>')
  expect(
    kept('environment')
      .trim()
      .split('\n')
      .filter((line) => !/^(PWD|OLDPWD|SHLVL|_)=/.test(line)),
  ).toEqual(['CONTAINER_ID=c1', 'CONTAINER_NAMESPACE=k8s.io'])
})

test('the process waits for a program that does not read', async () => {
  const go = join(directory, 'go')
  makeFifo(go)
  const uri = program(`${isReady}; cat '${go}' > /dev/null; cat <&3 | wc -c > count`)
  const { stdout, stderr, ended } = await start(uri)
  const written = stdout.write(new Uint8Array(1_000_000))
  expect(await Promise.race([written, Bun.sleep(100).then(() => 'waits')])).toBe('waits')
  // The control of what others look for.
  expect(running()).not.toEqual([])
  writeFileSync(go, '')
  await written
  await stdout.close()
  await stderr.close()
  await ended
  expect(kept('count').trim()).toBe('1000000')
})

test('what is written to one that has gone fails', async () => {
  const { stdout, stderr, ended } = await start(program(`${isReady}; read -r line <&3`))
  await stdout.write(bytes('the last line\n'))
  const failure = await (async () => {
    for (;;) {
      await stdout.write(bytes('lost'))
      await Bun.sleep(1)
    }
  })().catch((error) => error)
  expect(failure).toMatchObject({ code: 'EPIPE' })
  await stdout.close().catch(() => {})
  await stderr.close()
  await ended
})

test('a stream that is closed again, or written to late, is none of what was opened since', async () => {
  const { stdout, stderr, ended } = await start(program(`${isReady}; cat <&3 > out; cat <&4`))
  const numbers = new Set(readdirSync('/proc/self/fd'))
  await stdout.close()
  await stderr.close()
  const path = join(directory, 'other')
  // They take the numbers that have become free.
  const others = Array.from({ length: 8 }, () => openSync(path, 'w+'))
  expect(others.filter((fd) => numbers.has(`${fd}`)).length).toBeGreaterThanOrEqual(2)
  for (const sink of [stdout, stderr]) {
    await sink.write(bytes('late'))
    await sink.close().catch(() => {})
  }
  await ended
  expect(others.map((fd) => readlinkSync(`/proc/self/fd/${fd}`))).toEqual(others.map(() => path))
  expect(kept('other')).toBe('')
  for (const fd of others) closeSync(fd)
})

test('where too few descriptors are left, none of its own stays open', () => {
  const script = `
    import { closeSync, openSync, readdirSync } from 'node:fs'
    import { startLoggingProgram } from '${import.meta.dir}/logging-program.ts'
    const count = () => readdirSync('/proc/self/fd').length
    const start = () => startLoggingProgram('binary:///usr/bin/true', { namespace: 'n', id: 'c' })
    // Loads what it needs.
    await start().catch(() => {})
    const held = []
    let [errno, left] = ['', -1]
    // Fewer than before: Bun has closed one of the first start only now, so that six were left.
    while (left < 0) {
      try { for (;;) held.push(openSync('/dev/null')) } catch {}
      for (const fd of held.splice(-5)) closeSync(fd)
      const before = count()
      errno = (await start().catch((error) => error)).errno
      left = count() - before
    }
    console.log(errno, left)
    process.exit(0)`
  const argv = ['/usr/bin/prlimit', '--nofile=128:128', process.execPath, '-e', script]
  const { stdout, stderr } = Bun.spawnSync(argv)
  expect(`${stdout}${stderr}`).toBe('EMFILE 0\n')
})

test('one that goes on after the end of its input is killed', async () => {
  const uri = program(`echo $$ > pid; ${isReady}; exec sleep 1000 3<&- 4<&-`)
  const { stdout, stderr, ended } = await start(uri, { endMs: 100 })
  await stdout.close()
  await stderr.close()
  await ended
  expect(() => process.kill(Number(kept('pid')), 0)).toThrow('ESRCH')
})

test('and so is one that does not read what is left for it', async () => {
  const uri = program(`echo $$ > pid; ${isReady}; exec sleep 1000`)
  const { stdout, stderr, ended } = await start(uri, { endMs: 100 })
  const written = stdout.write(new Uint8Array(300_000)).catch((error) => error)
  const closed = Promise.allSettled([stdout.close(), stderr.close()])
  await ended
  expect(() => process.kill(Number(kept('pid')), 0)).toThrow('ESRCH')
  await Promise.all([written, closed])
})

test('one that ends before it is ready is refused', async () => {
  const failure = await start(program('exit 3')).catch((error) => error)
  expect(failure.code).toBe('STDIO_INVALID')
  expect(failure.message).toContain('exit code 3')
  expect(running()).toEqual([])
})

test('one that is not ready in its time is refused, and does not run, however far it has come', async () => {
  makeFifo(join(directory, 'never'))
  const failure = await start(program('read -r word < never'), { readyMs: 200 }).catch((error) => error)
  expect(failure.code).toBe('STDIO_INVALID')
  expect(failure.message).toContain('not ready after 0.2 s')
  expect(running()).toEqual([])
})

test.each([
  ['binary:///nonexistent/logger', 'ENOENT'],
  ['binary:///etc/passwd', 'EACCES'],
  ['binary:///', 'EACCES'],
  ['binary:///%zz', 'no program by an absolute path'],
  ['binary://logger', 'no program by an absolute path'],
  ['binary://logger/path', 'no program by an absolute path'],
  ['binary://', 'no program by an absolute path'],
  ['binary:///usr/%00bin', 'no program by an absolute path'],
])('%s is refused', async (uri, problem) => {
  const failure = await start(uri).catch((error) => error)
  expect(failure.code).toBe('STDIO_INVALID')
  expect(failure.message).toContain(problem)
})
