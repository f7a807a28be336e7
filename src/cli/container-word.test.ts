import { expect, test } from 'bun:test'
import { withoutContainerWord } from './container-word.ts'

test('the word container changes nothing', () => {
  expect(withoutContainerWord(['container', 'run', '--rm', 'container'])).toEqual([
    'run',
    '--rm',
    'container',
  ])
  expect(withoutContainerWord(['container', 'ls', '-q'])).toEqual(['ps', '-q'])
  expect(withoutContainerWord(['--namespace', 'a', '--format=json', 'container', 'remove', 'x'])).toEqual([
    ...['--namespace', 'a', '--format=json', 'rm', 'x'],
  ])
  expect(withoutContainerWord(['container'])).toEqual(['--help'])
})

test('it is left where it is no command', () => {
  for (const argv of [['run', 'container'], ['--namespace', 'container', 'ps'], []])
    expect(withoutContainerWord(argv)).toEqual(argv)
})
