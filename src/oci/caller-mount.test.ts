import { expect, test } from 'bun:test'
import { callerOption, mountCaller, withoutCaller } from './caller-mount.ts'

const caller = {
  uid: 1000,
  gid: 100,
  guestUid: 0,
  guestGid: 7,
  device: 65025n,
  inode: 2n ** 63n,
}
const mount = (...options: string[]) => ({ destination: '/data', type: 'bind', source: '/home/a', options })

test('the option says again what it was made of, and is for the host alone', () => {
  const option = callerOption(caller)
  expect(mountCaller(mount('rbind', option, 'ro'))).toEqual(caller)
  expect(withoutCaller(['rbind', option, 'ro'])).toEqual(['rbind', 'ro'])
  expect(mountCaller(mount('rbind'))).toBeUndefined()
})

test.each([
  ...['', '1:2:3:4:5', '1:2:3:4:5:-6', 'a:b:c:d:e:f'],
  ...['0:1:2:3:4:5:6', 'x1:2:3:4:5:6', '1:2:3:4:5:6x'],
])('"%s" is refused, not ignored', (text) => {
  expect(() => mountCaller(mount(`io.kata-ts.caller=${text}`))).toThrow(/SHARE_MOUNT_INVALID/)
})
