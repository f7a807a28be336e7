import { expect, test } from 'bun:test'
import { optionsIn } from './still-overlay.ts'

test.each([
  ['ro,lowerdir=/a\\054b,volatile', ['ro', 'lowerdir=/a\\054b', 'volatile']],
  // As CRI-O labels the files of a container where SELinux is.
  [
    'rw,context="system_u:object_r:container_file_t:s0:c1,c2",lowerdir=/a',
    ['rw', 'context="system_u:object_r:container_file_t:s0:c1,c2"', 'lowerdir=/a'],
  ],
  // A path may have quotation marks.
  ['lowerdir=/a"b,upperdir=/c"d', ['lowerdir=/a"b', 'upperdir=/c"d']],
])('the options of %s', (text, options) => {
  expect(optionsIn(text)).toEqual(options)
})
