import { expect, test } from 'bun:test'
import {
  allow,
  failWith,
  ifAnyBit,
  ifEqual,
  loadArgument,
  onCall,
  onCallWithArgument,
  prologue,
  unlessAnyBit,
} from './bpf.ts'

/** Each instruction as code, jumps and operand, the latter in hexadecimal. */
const listing = (filter: Buffer): string[] =>
  Array.from({ length: filter.length / 8 }, (_, index) => {
    const at = 8 * index
    const [code, yes, no] = [filter.readUInt16LE(at), filter[at + 2], filter[at + 3]]
    return `${code.toString(16)} ${yes} ${no} ${filter.readUInt32LE(at + 4).toString(16)}`
  })

const interfaces = [
  '20 0 0 4',
  '15 1 0 c000003e',
  '6 0 0 80000000',
  '20 0 0 0',
  '35 0 1 40000000',
  '6 0 0 50026',
]

test('a filter of a call that is denied is this, instruction by instruction', () => {
  const filter = Buffer.concat([...prologue(), ...onCall(101, [failWith(38)]), allow()])
  expect(listing(filter)).toEqual([...interfaces, '15 0 1 65', '6 0 0 50026', '6 0 0 7fff0000'])
})

test('a question about an argument jumps over its answer where it does not hold', () => {
  const bits = [...ifAnyBit(0x10000000, [failWith(1)]), ...unlessAnyBit(2, [failWith(1)]), allow()]
  expect(listing(Buffer.concat(onCallWithArgument(56, bits)))).toEqual([
    ...['15 0 6 38', '20 0 0 10', '45 0 1 10000000', '6 0 0 50001'],
    ...['45 1 0 2', '6 0 0 50001', '6 0 0 7fff0000'],
  ])
  const third = onCallWithArgument(16, ifEqual(0x5412, [failWith(1)]), 2)
  expect(listing(Buffer.concat(third))).toEqual(['15 0 3 10', '20 0 0 20', '15 0 1 5412', '6 0 0 50001'])
  expect(listing(loadArgument(1))).toEqual(['20 0 0 18'])
})
