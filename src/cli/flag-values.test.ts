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
  expect(plain('volume', 'list', '--quiet=True')).toEqual(['volume', 'list', '--quiet'])
  expect(plain('ps', '--no-trunc=true', '--all=false')).toEqual(['ps', '--no-trunc'])
})

test('the value of a short option may stand behind an equals sign', () => {
  expect(plain('run', '-m=512m', '-e=A=b=c', '-p=8080:80', '-l=', '-i', 'busybox', '-n=1')).toEqual([
    ...['run', '-m', '512m', '-e', 'A=b=c', '-p', '8080:80', '-l', '', '-i', 'busybox', '-n=1'],
  ])
  expect(plain('ps', '-f=name=web', '-n=2')).toEqual(['ps', '-f', 'name=web', '-n', '2'])
})

test('the last value of a flag counts, as for an alias that has it already', () => {
  expect(plain('run', '--rm', '-it', '--rm=false', '-t=0', 'busybox')).toEqual(['run', '-i', 'busybox'])
  expect(plain('run', '--rm=false', '--rm', '-d', '--detach=f', 'busybox')).toEqual([
    'run',
    '--rm',
    'busybox',
  ])
  expect(plain('run', '--name', '--rm', '--rm=false', 'x')).toEqual(['run', '--name', '--rm', 'x'])
})

test('short options in one word are several, of which the last may have a value', () => {
  expect(plain('run', '-dp', '80:80', '-m=5m', '--rm=true', 'busybox', '-dp')).toEqual([
    ...['run', '-d', '-p', '80:80', '-m', '5m', '--rm', 'busybox', '-dp'],
  ])
  expect(plain('exec', '-ite', 'A=b', '-w=/x', 'web', 'sh')).toEqual([
    ...['exec', '-i', '-t', '-e', 'A=b', '-w', '/x', 'web', 'sh'],
  ])
  expect(plain('run', '-it=false', '-dm=5m', '-p80:80', '-ieA=b', 'x')).toEqual([
    ...['run', '-i', '-d', '-m', '5m', '-p80:80', '-i', '-eA=b', 'x'],
  ])
  expect(plain('ps', '-aZq')).toEqual(['ps', '-a', '-Zq'])
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
