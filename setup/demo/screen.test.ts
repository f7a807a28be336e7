import { expect, test } from 'bun:test'
import { wrap } from '../pages/text.ts'
import { Screen } from './screen.ts'

function shown(use: (screen: Screen) => void, terminal = {}, colour = true): string {
  let text = ''
  use(new Screen({ write: (part) => (text += part), ...terminal }, colour))
  return text
}

test('text is broken at spaces, and a long word stays whole', () => {
  expect(wrap('one two three', 7)).toEqual(['one two', 'three'])
  expect(wrap('a very-long-word b', 4)).toEqual(['a', 'very-long-word', 'b'])
  expect(wrap('', 4)).toEqual([''])
})

test('columns are aligned, and plain where nobody looks at colours', () => {
  const rows = [
    ['name', 'ok'],
    ['longer name', { text: 'EACCES', good: true }],
  ]
  const draw = (screen: Screen) => screen.table(['', 'result'], rows)
  expect(shown(draw)).toBe('               result\n  name         ok\n  longer name  EACCES\n')
  expect(shown(draw, { isTTY: true }, false)).toBe(shown(draw))
  expect(shown(draw, { isTTY: true })).toContain('\x1b[32mEACCES\x1b[0m')
})

test('a command can be typed again', () => {
  const text = shown((screen) => screen.command(['kata-ts', 'run', '--', 'sh', '-c', "echo 'a b'"]))
  expect(text).toBe("  $ kata-ts run -- sh -c 'echo '\\''a b'\\'''\n")
})

test('a failed check does not look like a good one', () => {
  expect(shown((screen) => screen.tick(true, 'x'))).toBe('  ✓ x\n')
  expect(shown((screen) => screen.tick(false, 'x'))).toBe('  ✗ x\n')
})

test('long values go on below themselves', () => {
  const text = shown((screen) => screen.fact('label', 'word '.repeat(20).trim()), { columns: 60 })
  const lines = text.trimEnd().split('\n')
  expect(lines.length).toBe(3)
  expect(lines.every((line) => line.length <= 60)).toBe(true)
  expect(lines[1]).toMatch(/^ {18}word/)
})
