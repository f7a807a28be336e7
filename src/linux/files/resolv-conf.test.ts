import { expect, test } from 'bun:test'
import { hostResolvConf } from './resolv-conf.ts'

test('a host without the file has no name server', () => {
  expect(hostResolvConf('/nonexistent/resolv.conf')).toBe('')
  expect(() => hostResolvConf('/')).toThrow('EISDIR')
})
