import { expect, test } from 'bun:test'
import { createPullProgress } from './pull-progress.ts'

function shown(isTTY: boolean, fail = false): string {
  let text = ''
  const output = { write: (more: string) => (text += more), isTTY, columns: 40 }
  const progress = createPullProgress(output, 'busy\x1bbox')
  progress.onStep('pulling')
  progress.onBytes(5_000_000)
  progress.onStep('unpacking layer 1 of 1')
  if (fail) progress.failed()
  else progress.done()
  return text
}

test('a line for each step', () => {
  expect(shown(false)).toBe('busy box: pulling ...\nbusy box: unpacking layer 1 of 1 ...\nbusy box: done\n')
  expect(shown(false, true)).toBe('busy box: pulling ...\nbusy box: unpacking layer 1 of 1 ...\n')
})

test('one line that changes on a terminal, and is gone before an error', () => {
  const line = '\r\x1b[K'
  expect(shown(true)).toBe(
    `${line}busy box: pulling${line}busy box: pulling, 4.8MiB${line}busy box: unpacking layer 1 of 1${line}busy box: done\n`,
  )
  expect(shown(true, true)).toEndWith(line)
})
