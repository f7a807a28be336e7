import { expect, test } from 'bun:test'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { sleep, within } from '../time.ts'
import { readableFrom } from './web-streams.ts'

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
