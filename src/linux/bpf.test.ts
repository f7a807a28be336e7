import { expect, test } from 'bun:test'
import { allow, failWith, ifAnyBit, loadArgument, onCallWithArgument, prologue } from './bpf.ts'
import { denyFilter } from './seccomp.ts'

/** Each instruction as code, jumps and operand, the latter in hexadecimal. */
const listing = (filter: Buffer): string[] =>
  Array.from({ length: filter.length / 8 }, (_, index) => {
    const at = 8 * index
    const [code, yes, no] = [filter.readUInt16LE(at), filter[at + 2], filter[at + 3]]
    return `${code.toString(16)} ${yes} ${no} ${filter.readUInt32LE(at + 4).toString(16)}`
  })

test('a filter of calls that are denied is this, instruction by instruction', () => {
  expect(listing(denyFilter([101, 425]))).toEqual([
    ...['20 0 0 4', '15 1 0 c000003e', '6 0 0 80000000', '20 0 0 0'],
    ...['35 3 0 40000000', '15 2 0 65', '15 1 0 1a9', '6 0 0 7fff0000', '6 0 0 50026'],
  ])
})

test('the parts of a filter by arguments are these', () => {
  const parts = [...prologue(), ...onCallWithArgument(56, [...ifAnyBit(0x10000000, [failWith(1)]), allow()])]
  expect(listing(Buffer.concat(parts))).toEqual([
    ...['20 0 0 4', '15 1 0 c000003e', '6 0 0 80000000', '20 0 0 0', '35 0 1 40000000', '6 0 0 50026'],
    ...['15 0 4 38', '20 0 0 10', '45 0 1 10000000', '6 0 0 50001', '6 0 0 7fff0000'],
  ])
  expect(listing(loadArgument(2))).toEqual(['20 0 0 20'])
})

test('a jump reaches 255 instructions, and a list that is longer is refused', () => {
  expect(denyFilter(Array.from({ length: 250 }, (_, number) => number)).length).toBe(8 * (250 + 7))
  expect(() => denyFilter(Array.from({ length: 251 }, () => 0))).toThrow('too many system calls')
})
