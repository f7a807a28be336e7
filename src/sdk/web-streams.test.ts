import { expect, test } from 'bun:test'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { sleep, within } from '../time.ts'
import { readableFrom, writableTo } from './web-streams.ts'

test('a reader that waits for output can give up, which closes the pipe', async () => {
  // It ends by what it writes into a pipe that nobody reads.
  const child = spawn('sh', ['-c', 'read line; while echo $line; do :; done; exit 7'], {
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  const exited = once(child, 'exit')
  const reader = readableFrom(child.stdout).getReader()
  const reading = reader.read()
  // By then the pipe is waited for.
  await sleep(20)
  try {
    expect(
      await within(
        reader.cancel('enough').then(() => 'closed'),
        5000,
      ),
    ).toBe('closed')
    expect((await reading).done).toBe(true)
    child.stdin.end('more\n')
    expect(await within(exited, 5000)).toBeDefined()
  } finally {
    child.kill('SIGKILL')
  }
}, 20_000)

test('what came before the end is read, and a cancelled stream has no more', async () => {
  const child = spawn('sh', ['-c', 'echo one; exec sleep 60'], { stdio: ['pipe', 'pipe', 'ignore'] })
  const stream = readableFrom(child.stdout)
  try {
    for await (const chunk of stream) {
      expect(Buffer.from(chunk).toString()).toBe('one\n')
      break
    }
    expect(child.stdout.destroyed).toBe(true)
  } finally {
    child.kill('SIGKILL')
  }
}, 20_000)

test('what a command has written is read after its end, too', async () => {
  const child = spawn('sh', ['-c', 'echo one; echo two >&2'], { stdio: ['ignore', 'pipe', 'pipe'] })
  const outputs = [readableFrom(child.stdout), readableFrom(child.stderr)]
  await once(child, 'exit')
  // What has no reader is thrown away in a later turn.
  await sleep(20)
  const texts: string[] = []
  for (const output of outputs) texts.push(await new Response(output).text())
  expect(texts).toEqual(['one\n', 'two\n'])
}, 20_000)

const begin = (script: string) => {
  const child = spawn('sh', ['-c', script], { stdio: ['pipe', 'ignore', 'ignore'] })
  // As of every call of the executable.
  child.stdin.on('error', () => {})
  const writer = writableTo(child.stdin).getWriter()
  writer.closed.catch(() => {})
  return { child, writer }
}
/** More than a pipe holds. */
const large = new Uint8Array(1 << 20)
const outcome = (work: Promise<unknown>) =>
  within(
    work.then(
      () => 'done',
      () => 'failed',
    ),
    5000,
  )

test('the input of a command that has ended can be closed, and takes nothing', async () => {
  for (const write of [false, true]) {
    const { child, writer } = begin('exit 0')
    await once(child, 'close')
    if (write) expect(await outcome(writer.write('x'))).toBe('failed')
    else expect(await outcome(writer.close())).toBe('done')
  }
}, 20_000)

test('a write that waits for the command ends with that, or when it is given up', async () => {
  const { child, writer } = begin('exec sleep 60')
  const other = begin('exec sleep 60')
  try {
    const writing = writer.write(large)
    const given = other.writer.write(large)
    await sleep(20)
    child.kill('SIGKILL')
    expect(await outcome(writing)).toBe('failed')
    expect(await outcome(other.writer.abort('enough'))).toBe('done')
    expect(await outcome(given)).toBe('failed')
    expect(other.child.stdin.destroyed).toBe(true)
  } finally {
    other.child.kill('SIGKILL')
  }
}, 20_000)

test('input comes whole, and a chunk that is none is refused', async () => {
  const { child, writer } = begin('test "$(wc -c)" = 2097155')
  for (const chunk of [large, 'end', large, '']) await writer.write(chunk)
  await writer.close()
  expect(await once(child, 'exit')).toEqual([0, null])
  const other = begin('cat')
  expect(await outcome(other.writer.write(7 as never))).toBe('failed')
  other.child.kill('SIGKILL')
}, 20_000)
