import { expect, test } from 'bun:test'
import { commandIn, withoutGroupWord } from './group-words.ts'

test('the word container changes nothing', () => {
  expect(withoutGroupWord(['container', 'run', '--rm', 'container'])).toEqual(['run', '--rm', 'container'])
  expect(withoutGroupWord(['container', 'ls', '-q'])).toEqual(['ps', '-q'])
  expect(withoutGroupWord(['--namespace', 'a', '--format=json', 'container', 'remove', 'x'])).toEqual([
    ...['--namespace', 'a', '--format=json', 'rm', 'x'],
  ])
  expect(withoutGroupWord(['container'])).toEqual(['--help'])
})

test('container prune leaves images alone, and what is about something else is no command of containers', () => {
  expect(withoutGroupWord(['container', 'prune', '-f'])).toEqual([
    'prune',
    '--containers',
    '--keep-images',
    '-f',
  ])
  for (const argv of [
    ['container', 'pull', 'a:1'],
    ['container', 'system', 'df'],
    ['container', '-f'],
  ])
    expect(withoutGroupWord(argv)).toEqual(argv)
})

test('the command is found behind the options of all commands', () => {
  expect(commandIn(['--namespace', 'run', '--format=json', 'ps', 'exec'])).toBe('ps')
  expect(commandIn(['--namespace', 'run'])).toBeUndefined()
})

test('the word image stands for the commands of images', () => {
  expect(withoutGroupWord(['image', 'ls', '-q'])).toEqual(['images', '-q'])
  expect(withoutGroupWord(['--format', 'json', 'image', 'rm', 'a:1'])).toEqual([
    '--format',
    'json',
    'rmi',
    'a:1',
  ])
  expect(withoutGroupWord(['image', 'inspect', 'a:1'])).toEqual(['inspect', '--type=image', 'a:1'])
  // Docker's takes what has no name; one that took all would take what was built and loaded.
  expect(withoutGroupWord(['image', 'prune', '-a', '-f'])).toEqual(['prune', '--unnamed', '-a', '-f'])
  expect(withoutGroupWord(['image', 'pull', 'a:1'])).toEqual(['pull', 'a:1'])
  // Else it would run something that has nothing to do with images.
  expect(withoutGroupWord(['image', 'kill', 'a'])).toEqual(['image', 'kill', 'a'])
  expect(withoutGroupWord(['image', 'constructor'])).toEqual(['image', 'constructor'])
})

test('they are left where they are no commands', () => {
  for (const argv of [['run', 'container'], ['run', 'image', 'ls'], ['--namespace', 'container', 'ps'], []])
    expect(withoutGroupWord(argv)).toEqual(argv)
})
