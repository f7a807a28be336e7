import { expect, test } from 'bun:test'
import { parseCopy } from './copy-path.ts'

test.each([
  ['web:/etc/x', '.', 'container web /etc/x', 'host .'],
  ['./a:b', 'web:', 'host ./a:b', 'container web /'],
  ['/a:b', 'web:c:d', 'host /a:b', 'container web c:d'],
  ['-', 'web:/x', 'stream', 'container web /x'],
])('%s to %s', (source, destination, from, to) => {
  const plan = parseCopy(source, destination)
  const words = (value: object) => Object.values(value).join(' ')
  expect([words(plan.source), words(plan.destination)]).toEqual([from, to])
})

test.each([
  ['a', 'b', 'neither'],
  ['-', '-', 'neither'],
  ['a:/x', 'b:/y', 'both'],
  ['', 'b:/y', 'empty'],
  ['a\0', 'b:/y', 'empty'],
])('%j to %j is refused', (source, destination, reason) => {
  expect(() => parseCopy(source, destination)).toThrow(new RegExp(`COPY_PATH_INVALID.*${reason}`))
})
