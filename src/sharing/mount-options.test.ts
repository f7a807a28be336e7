import { expect, test } from 'bun:test'
import { parseMountOptions } from './mount-options.ts'
import { overlayOptions, splitLayers } from './rootfs/overlay.ts'

test('words become flags, the last one counts, and the rest is data', () => {
  expect(parseMountOptions(['ro', 'nosuid', 'rw', 'nodev', 'lowerdir=/a:/b', 'index=off', ''])).toEqual({
    flags: 2 | 4,
    propagation: 0,
    bind: false,
    recursive: false,
    data: 'lowerdir=/a:/b,index=off',
  })
})

test('binds and propagation are told apart from flags', () => {
  expect(parseMountOptions(['rbind', 'ro', 'rprivate'])).toEqual({
    flags: 1,
    propagation: (1 << 18) | (1 << 14),
    bind: true,
    recursive: true,
    data: '',
  })
  expect(parseMountOptions(['bind', 'slave'])).toMatchObject({ recursive: false, propagation: 1 << 19 })
})

test.each(['loop', 'remount', 'move', 'a\0b'])('%p is refused', (option) =>
  expect(() => parseMountOptions([option])).toThrow(/^\[SHARE_MOUNT_INVALID\]/),
)

test('backslashes protect commas and colons in the paths of an overlay', () => {
  expect(overlayOptions('lowerdir=/a\\,b:/c,userxattr,upperdir=/u')).toEqual([
    ['lowerdir', '/a\\,b:/c'],
    ['userxattr', undefined],
    ['upperdir', '/u'],
  ])
  expect(splitLayers('/a\\:b:/c\\\\d')).toEqual(['/a:b', '/c\\d'])
})
