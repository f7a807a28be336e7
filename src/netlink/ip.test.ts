import { expect, test } from 'bun:test'
import { isIP } from 'node:net'
import fc from 'fast-check'
import { formatIp, formatMac, formatPrefix, parseIp, parseMac, parsePrefix } from './ip.ts'

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
/** Runs of zeros, as real addresses have them. */
const sparse = fc
  .array(fc.constantFrom(0, 0, 0, 1, 0xff), { minLength: 16, maxLength: 16 })
  .map((list) => Uint8Array.from(list))

test('addresses come back from their text', () => {
  fc.assert(
    fc.property(fc.oneof(bytes(4), bytes(16), sparse), (address) => {
      const text = formatIp(address)
      expect(isIP(text)).toBe(address.length === 4 ? 4 : 6)
      expect(parseIp(text)).toEqual(address)
    }),
  )
})

test('texts are read as node reads them', () => {
  const pieces = fc.constantFrom('::', ':', '0', '1', 'ffff', '10000', '.', '1.2.3.4', '256', '01', 'g')
  fc.assert(
    fc.property(
      fc.oneof(
        fc.ipV4(),
        fc.ipV6(),
        fc.array(pieces, { maxLength: 12 }).map((list) => list.join('')),
      ),
      (text) => {
        expect(parseIp(text)?.length).toBe({ 0: undefined, 4: 4, 6: 16 }[isIP(text)])
      },
    ),
    { numRuns: 2000 },
  )
})

test.each([
  ['fe80:0:0:0:0:0:0:1', 'fe80::1'],
  ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
  ['0:0:0:0:0:0:0:0', '::'],
  ['1:0:2:0:3:0:4:0', '1:0:2:0:3:0:4:0'],
  ['::ffff:10.0.0.1', '::ffff:a00:1'],
])('%s is written %s (RFC 5952)', (text, short) => {
  expect(formatIp(parseIp(text)!)).toBe(short)
})

test('prefixes', () => {
  expect(formatPrefix(parsePrefix('10.1.0.0/16')!)).toBe('10.1.0.0/16')
  expect(formatPrefix(parsePrefix('fd00::/64')!)).toBe('fd00::/64')
  expect(parsePrefix('10.1.0.2')!.length).toBe(32)
  for (const text of [
    '',
    '/',
    '10.0.0.1/33',
    'fd00::/129',
    '10.0.0.1/-1',
    '10.0.0.1/',
    '10.0.0.1/8/8',
    'x/8',
  ])
    expect(parsePrefix(text)).toBeUndefined()
})

test('hardware addresses', () => {
  expect(formatMac(parseMac('02:00:Aa:00:00:ff')!)).toBe('02:00:aa:00:00:ff')
  for (const text of ['', '02:00:00:00:00', '02:00:00:00:00:00:00', '0200.0000.0000', 'gg:00:00:00:00:00'])
    expect(parseMac(text)).toBeUndefined()
})
