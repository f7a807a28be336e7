import { expect, test } from 'bun:test'
import { parseAlias, parseMac } from './hardware.ts'

test('a hardware address is that of one card', () => {
  expect(parseMac('02-42-0A-59-00-07')).toBe('02:42:0a:59:00:07')
  for (const text of ['00:00:00:00:00:00', '03:42:0a:59:00:07', '02:42:0a:59:00', ''])
    expect(() => parseMac(text)).toThrow('[OPTION_INVALID] --mac-address')
})

test('an alias is a name that a resolver can ask for', () => {
  expect(parseAlias('db_1.Test')).toBe('db_1.Test')
  expect(parseAlias(`${'a.'.repeat(126)}a`)).toHaveLength(253)
  for (const text of ['', '-a', 'a..b', 'a.', 'a'.repeat(64), `${'a.'.repeat(126)}ab`])
    expect(() => parseAlias(text)).toThrow('[OPTION_INVALID] --network-alias')
})
