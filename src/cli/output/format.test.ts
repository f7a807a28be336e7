import { expect, test } from 'bun:test'
import { parseFormat, render } from './format.ts'

test('json is parseable and text is as made', () => {
  expect(JSON.parse(render('json', { a: [1] }, () => 'text'))).toEqual({ a: [1] })
  expect(render('text', { a: 1 }, ({ a }) => `a=${a}\n`)).toBe('a=1\n')
})

test('an unknown format is refused', () => {
  expect(parseFormat('json')).toBe('json')
  expect(() => parseFormat('{{.Names}}')).toThrow('jq -r .[].id')
  expect(() => parseFormat('yaml')).toThrow(/^\[OPTION_INVALID\].*text, json/)
})
