import { expect, test } from 'bun:test'
import { modeText } from './listing.ts'

test('modes read as ls writes them', () => {
  expect(modeText(0o040700)).toBe('drwx------')
  expect(modeText(0o140600)).toBe('srw-------')
  expect(modeText(0o100644)).toBe('-rw-r--r--')
})
