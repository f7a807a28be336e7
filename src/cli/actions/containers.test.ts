import { expect, test } from 'bun:test'
import { KataError } from '../../errors.ts'
import type { Settings } from '../settings.ts'
import { forEachName } from './containers.ts'

const missing = (name: string) => new KataError('CONTAINER_NOT_FOUND', { name, namespace: 'default' })

function settings() {
  const printed: string[] = []
  const told: unknown[] = []
  const print = (text: string) => printed.push(text) > 0
  const fake = { format: 'text', print, tell: () => {}, note: (error: unknown) => told.push(error) }
  return { printed, told, settings: fake as unknown as Settings }
}

test.each([
  ['first', ['nope', 'web']],
  ['last', ['web', 'nope']],
])('what throws before its first promise keeps no other from being done: %s', async (_, names) => {
  const { printed, told, settings: fake } = settings()
  const code = await forEachName(fake, names, (name) => {
    if (name === 'nope') throw missing(name)
    return Promise.resolve()
  })
  expect({ code, printed, told }).toEqual({ code: 1, printed: ['web\n'], told: [missing('nope')] })
})

test('the exit code is the highest: a wrong name counts more than a missing one', async () => {
  const { settings: fake } = settings()
  const wrong = new KataError('NAME_INVALID', { what: 'container', name: '', limit: 76 })
  const work = async (name: string) => {
    throw name === 'a' ? wrong : missing(name)
  }
  expect(await forEachName(fake, ['a', 'b'], work)).toBe(125)
})

test('a name that is given twice is done once, and is told as often as it was given', async () => {
  const { printed, told, settings: fake } = settings()
  const worked: string[] = []
  const code = await forEachName(fake, ['web', 'nope', 'web', 'nope'], async (name) => {
    worked.push(name)
    if (name === 'nope') throw missing(name)
  })
  expect({ code, worked, printed }).toEqual({ code: 1, worked: ['web', 'nope'], printed: ['web\nweb\n'] })
  expect(told).toEqual([missing('nope')])
})
