import { expect, test } from 'bun:test'
import { fullNameOf, parseImageName, shortName } from './image-name.ts'

const digest = `sha256:${'a'.repeat(64)}`

test.each([
  ['busybox', 'docker.io/library/busybox:latest', 'busybox'],
  ['busybox:1.37', 'docker.io/library/busybox:1.37', 'busybox'],
  ['docker.io/busybox', 'docker.io/library/busybox:latest', 'busybox'],
  ['index.docker.io/library/busybox', 'docker.io/library/busybox:latest', 'busybox'],
  ['docker://grafana/grafana', 'docker.io/grafana/grafana:latest', 'grafana/grafana'],
  ['quay.io/a/b/c:v1', 'quay.io/a/b/c:v1', 'quay.io/a/b/c'],
  ['localhost/x', 'localhost/x:latest', 'localhost/x'],
  ['127.0.0.1:5000/x:y', '127.0.0.1:5000/x:y', '127.0.0.1:5000/x'],
  ['[::1]:5000/x', '[::1]:5000/x:latest', '[::1]:5000/x'],
  [`busybox@${digest}`, `docker.io/library/busybox@${digest}`, 'busybox'],
  // The digest decides.
  [`busybox:1@${digest}`, `docker.io/library/busybox@${digest}`, 'busybox'],
])('%s is %s, shown as %s', (text, full, shown) => {
  const name = parseImageName(text)
  expect(name.full).toBe(full)
  expect(shortName(name)).toBe(shown)
})

test.each([
  '',
  'Busybox',
  'a//b',
  '/a',
  '../etc',
  'a b',
  '-rm',
  'a:',
  'a:b/c:',
  'a@sha256:12',
  `a@sha512:${'a'.repeat(128)}`,
  'a\nb',
  'quay.io/',
  '--authfile=x/y',
  'x'.repeat(600),
])('%j is refused', (text) => {
  expect(() => parseImageName(text)).toThrow('IMAGE_NAME_INVALID')
})

test('what is no name is compared as it is', () => {
  expect(fullNameOf('no name')).toBe('no name')
  expect(fullNameOf('app')).toBe('docker.io/library/app:latest')
})
