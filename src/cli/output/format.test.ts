import { expect, test } from 'bun:test'
import { parseFormat, refuseTemplate, render } from './format.ts'

test('json is parseable and text is as made', () => {
  expect(JSON.parse(render('json', { a: [1] }, () => 'text'))).toEqual({ a: [1] })
  expect(render('text', { a: 1 }, ({ a }) => `a=${a}\n`)).toBe('a=1\n')
})

test('an unknown format is refused, and a template where none is taken', () => {
  expect(parseFormat('json')).toEqual({ format: 'json' })
  expect(parseFormat('table {{.Names}}')).toEqual({ format: 'text', template: 'table {{.Names}}' })
  expect(() => refuseTemplate(parseFormat('{{.Names}}').template)).toThrow('use jq')
  expect(() => parseFormat('yaml')).toThrow(/^\[OPTION_INVALID\].*text, json/)
})
