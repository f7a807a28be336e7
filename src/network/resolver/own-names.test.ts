import { expect, test } from 'bun:test'
import { addressIn } from './own-names.ts'

test('a question about an address has it the wrong way round', () => {
  expect(addressIn('3.0.89.10.in-addr.arpa')).toBe('10.89.0.3')
  const digits = 'fd5e9c417ab00000000000000a590003'.split('').reverse().join('.')
  expect(addressIn(`${digits}.ip6.arpa`)).toBe('fd5e:9c41:7ab0::a59:3')
})

test.each([
  '0.89.10.in-addr.arpa',
  'a.0.89.10.in-addr.arpa',
  '3.0.89.10.in-addr.arpa.evil.test',
  '3.ip6.arpa',
  'db',
])('%s is about none', (name) => expect(addressIn(name)).toBeUndefined())
