import { expect, test } from 'bun:test'
import { withPlainFlags } from './flag-values.ts'
import { buildProgram } from './program.ts'

const nothing = () => {
  throw new Error('nothing is run here')
}
const program = buildProgram({
  settings: nothing,
  throughService: nothing,
  again: nothing,
  finish: () => {},
  print: () => {},
  tell: () => {},
})
const plain = (...argv: string[]) => withPlainFlags(program, argv)

test('flags with a value are flags, or are not there', () => {
  expect(plain('run', '--rm=true', '-d=1', '--read-only=false', '--init=T', 'busybox')).toEqual([
    ...['run', '--rm', '-d', '--init', 'busybox'],
  ])
  expect(plain('volume', 'ls', '--quiet=True')).toEqual(['volume', 'ls', '--quiet'])
  expect(plain('ps', '--no-trunc=true', '--all=false')).toEqual(['ps', '--no-trunc'])
})

test('the value of a short option may stand behind an equals sign', () => {
  expect(plain('run', '-m=512m', '-e=A=b=c', '-p=8080:80', '-l=', '-i', 'busybox', '-n=1')).toEqual([
    ...['run', '-m', '512m', '-e', 'A=b=c', '-p', '8080:80', '-l', '', '-i', 'busybox', '-n=1'],
  ])
  expect(plain('ps', '-f=name=web', '-n=2')).toEqual(['ps', '-f', 'name=web', '-n', '2'])
})

test('what is no flag stays as it is, and so does what is the container’s', () => {
  for (const argv of [
    ['run', '--env', '--rm=true', '--name=true', 'busybox', '--rm=true', 'x'],
    ['run', '--', 'sh', '--rm=true'],
    ['exec', '-e', 'A=true', 'web', 'tool', '--tty=false'],
    ['run', '--rm=perhaps', 'busybox'],
    ['--format=json', 'run', '--sig-proxy=false', 'busybox'],
    ['--namespace', 'run', 'ps'],
  ])
    expect(plain(...argv)).toEqual(argv)
})
