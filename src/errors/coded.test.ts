import { expect, test } from 'bun:test'
import { coded } from './coded.ts'

const refused = (path?: string) =>
  Object.assign(new Error('EACCES'), { code: 'EACCES', syscall: 'mkdir', ...(path && { path }) })

test.each([
  ['/var/lib/kata-ts/images', false, 'NOT_ROOT'],
  ['/run/kata-ts', false, 'NOT_ROOT'],
  [undefined, false, 'NOT_ROOT'],
  ['/home/alice/copy', false, 'FILE_FAILED'],
  ['/run/kata-ts-of-others', false, 'FILE_FAILED'],
  ['/var/lib/kata-ts/images', true, 'FILE_FAILED'],
])('no right to %p, root %p: %s', (path, isRoot, code) => {
  expect(coded(refused(path), isRoot).code).toBe(code as 'NOT_ROOT')
})
