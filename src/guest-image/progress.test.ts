import { expect, test } from 'bun:test'
import { createProgress } from './progress.ts'

function record(isTTY: boolean) {
  const written: string[] = []
  let clock = 0
  const output = { isTTY, columns: 60, write: (text: string) => written.push(text) }
  const progress = createProgress(output, () => clock)
  progress.begin('download')
  clock += 1000
  progress.update(0.5)
  clock += 500
  progress.end('7 files')
  progress.end('nothing runs')
  return written
}

test('plain lines when it is not a terminal', () => {
  expect(record(false)).toEqual(['download ...\n', 'download: 7 files (1.5 s)\n'])
})

test('a bar on a terminal', () => {
  const text = record(true).join('')
  expect(text).toContain('[############............]  50%  download')
  expect(text.endsWith('\r\x1b[Kdownload: 7 files (1.5 s)\n')).toBe(true)
})

test('beginning a step ends the one before', () => {
  const written: string[] = []
  const progress = createProgress({ write: (text) => written.push(text) }, () => 0)
  progress.begin('one')
  progress.begin('two')
  expect(written).toEqual(['one ...\n', 'one: done (0.0 s)\n', 'two ...\n'])
})
