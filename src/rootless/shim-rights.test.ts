import { expect, test } from 'bun:test'
import { capabilityMask } from '../linux/processes/capabilities.ts'
import { assertRightsDropped, keptCapabilities } from './shim-rights.ts'

const mask = capabilityMask(Object.keys(keptCapabilities) as (keyof typeof keptCapabilities)[])
const hex = (value: bigint) => value.toString(16).padStart(16, '0')
const none = hex(0n)
const status = (changed: Record<string, string> = {}) =>
  new Map(
    Object.entries({
      CapInh: none,
      CapPrm: hex(mask),
      CapEff: hex(mask),
      CapBnd: hex(mask),
      CapAmb: none,
      NoNewPrivs: '1',
      Seccomp: '2',
      ...changed,
    }),
  )

test('what was dropped is accepted, and less of it as well', () => {
  assertRightsDropped(status(), '00000000')
  assertRightsDropped(status({ CapEff: none }), '00000000')
})

test('a daemon whose memory would be in a core is told so', () => {
  expect(() => assertRightsDropped(status(), '00000033')).toThrow('coredump_filter 00000033')
})

const sysModule = hex(mask | (1n << 16n))
test.each([
  ['CapEff', sysModule],
  ['CapPrm', sysModule],
  ['CapBnd', sysModule],
  ['CapInh', hex(1n)],
  ['CapAmb', hex(1n)],
  ['NoNewPrivs', '0'],
  ['Seccomp', '0'],
])('a difference in %s is an error that names it', (field, value) => {
  expect(() => assertRightsDropped(status({ [field]: value }), '00000000')).toThrow(
    new RegExp(`${field} ${value}`, 'i'),
  )
})

test('a status that cannot be read is no proof', () => {
  expect(() => assertRightsDropped(new Map())).toThrow('[SHIM_RIGHTS]')
})
