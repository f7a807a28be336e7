import { expect, test } from 'bun:test'
import { closeSync, openSync } from 'node:fs'
import { isTerminal } from './is-terminal.ts'

const kindOf = (path: string) => {
  const fd = openSync(path, 'r+')
  try {
    return isTerminal(fd)
  } finally {
    closeSync(fd)
  }
}

test('a terminal is one; another device and what is not open are none', () => {
  expect(kindOf('/dev/ptmx')).toBe(true)
  expect(kindOf('/dev/null')).toBe(false)
  expect(isTerminal(-1)).toBe(false)
})
