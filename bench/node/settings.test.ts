import { expect, test } from 'bun:test'
import { readNodeSettings } from './settings.ts'

test('without a word there are fifty pods for twenty minutes, a third of them residents', () => {
  expect(readNodeSettings('')).toMatchObject({ pods: 50, minutes: 20, residents: 17, exec: 1, stats: 10 })
})

test('each setting can be named', () => {
  const asked = readNodeSettings('pods=12,minutes=0.5,residents=2,kill=0,exec=10,sample=3')
  expect(asked).toMatchObject({ pods: 12, minutes: 0.5, residents: 2, kill: 0, exec: 10, http: 1 })
})

test.each([
  ['pod=3', 'pod=3'],
  ['pods=', 'pods='],
  ['pods=-1', 'pods=-1'],
  ['pods=0', 'pods'],
  ['pods=2.5', 'pods'],
  ['pods=2,residents=3', 'residents is 3'],
  ['sample=0', 'sample'],
  ['minutes=0.5', 'sample=10 gives 3 readings in 0.5 min'],
  ['minutes=0.6,sample=4.01', 'sample=4.01 gives 8 readings'],
])('%s is refused by name', (text, named) => {
  expect(() => readNodeSettings(text)).toThrow(named)
})
