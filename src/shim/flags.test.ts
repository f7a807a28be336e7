import { expect, test } from 'bun:test'
import { isOwnClient, parseShimFlags } from './flags.ts'

test('reads the flags as containerd writes them', () => {
  const flags = parseShimFlags(
    '-namespace k8s.io -address /run/c.sock -publish-binary /usr/bin/containerd -id abc -debug start'.split(
      ' ',
    ),
  )
  expect(flags).toMatchObject({
    action: 'start',
    namespace: 'k8s.io',
    id: 'abc',
    address: '/run/c.sock',
    publishBinary: '/usr/bin/containerd',
    debug: true,
  })
})

test('CRI-O gives no address and its own program, our command line neither', () => {
  // containerd/runtime/v2/shim/util.go, as CRI-O's internal/oci/runtime_vm.go calls it.
  const crio = [
    '-namespace',
    'default',
    '-address',
    '',
    '-publish-binary',
    '/usr/bin/crio',
    '-id',
    'abc',
    'start',
  ]
  expect(parseShimFlags(crio)).toMatchObject({ address: '', publishBinary: '/usr/bin/crio', id: 'abc' })
  expect(isOwnClient(parseShimFlags(crio))).toBe(false)
  expect(isOwnClient(parseShimFlags(['-namespace', 'default', '-id', 'abc', 'start']))).toBe(true)
})

test('takes one dash, two dashes and equal signs alike', () => {
  const flags = parseShimFlags(['--namespace=n', '-id=i', '--bundle', '/b', 'delete'])
  expect(flags).toMatchObject({ action: 'delete', namespace: 'n', id: 'i', bundle: '/b' })
})

test('version and info need nothing else', () => {
  expect(parseShimFlags(['-v']).action).toBe('version')
  expect(parseShimFlags(['-info']).action).toBe('info')
})

test.each([
  [['-namespace', 'n', 'start'], '-id needs a value'],
  [['-namespace', 'n', '-id', 'i'], 'no action'],
  [['-namespace', 'n', '-id', 'i', 'begin'], 'unknown action begin'],
  [['-colour', 'red', 'start'], 'unknown flag -colour'],
  [['-namespace', 'n', '-id', 'i', '-constructor'], 'unknown flag -constructor'],
  [['-namespace', 'n', 'start', '-id'], '-id needs a value'],
])('refuses %j', (argv, message) => {
  expect(() => parseShimFlags(argv)).toThrow(message)
})
