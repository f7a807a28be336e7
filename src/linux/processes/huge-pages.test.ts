import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { withSmallPages } from './huge-pages.ts'
import { readStatus } from './proc.ts'

const own = () => readStatus('/proc/self/status')?.get('THP_enabled')
/** What the process says that a shell starts. */
const start = () =>
  Bun.spawnSync(['/bin/sh', '-c', 'grep THP_enabled /proc/self/status; true']).stdout.toString().trim()
const hasHugePages = readFileSync('/proc/self/status', 'utf8').includes('THP_enabled:\t1')

test.skipIf(!hasHugePages)('who is started so has small pages, and who is started afterwards has not', () => {
  expect(start()).toBe('THP_enabled:\t1')
  expect(withSmallPages(start)).toBe('THP_enabled:\t0')
  expect(own()).toBe('1')
  expect(start()).toBe('THP_enabled:\t1')
})

test.skipIf(!hasHugePages)('one within another switches nothing on', () => {
  expect(withSmallPages(() => [withSmallPages(start), start()])).toEqual([
    'THP_enabled:\t0',
    'THP_enabled:\t0',
  ])
  expect(own()).toBe('1')
})

test('a start that fails leaves this process as it was', () => {
  const before = own()
  expect(() =>
    withSmallPages(() => {
      throw new Error('no')
    }),
  ).toThrow('no')
  expect(own()).toBe(before)
})
