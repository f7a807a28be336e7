import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { checkName, generateName } from './name.ts'

test.each(['a', 'web', 'web-1', 'my.app_2', 'A'.repeat(76)])('accepts %p', (name) => {
  expect(checkName(name, 'container')).toBe(name)
})

test.each(['', '-a', 'a-', '..', 'a/b', 'a b', 'a--b', 'é', 'A'.repeat(77), 'a\n'])('refuses %p', (name) => {
  expect(() => checkName(name, 'container')).toThrow(/^\[NAME_INVALID\]/)
})

test('what is accepted is always one plain path component', () => {
  fc.assert(
    fc.property(fc.string(), (name) => {
      try {
        checkName(name, 'container')
      } catch {
        return true
      }
      return !name.includes('/') && !name.startsWith('.') && !name.startsWith('-') && name.length > 0
    }),
  )
})

test('generated names are valid and differ', () => {
  const names = Array.from({ length: 50 }, generateName)
  for (const name of names) {
    expect(checkName(name, 'container')).toBe(name)
    expect(name).not.toContain('undefined')
  }
  expect(new Set(names).size).toBeGreaterThan(45)
})
