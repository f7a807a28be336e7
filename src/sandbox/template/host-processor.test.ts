import { expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { hostProcessor } from './host-processor.ts'

const one = (changes: Readonly<Record<string, string>> = {}, number = 0) =>
  Object.entries({
    processor: `${number}`,
    vendor_id: 'GenuineIntel',
    'model name': 'A: processor',
    microcode: '0x1',
    'cpu MHz': '2596.134',
    flags: 'fpu rtm',
    ...changes,
  })
    .map(([name, value]) => `${name}\t: ${value}\n`)
    .join('')

test('it is another with other microcode or features, and the same at another speed', () => {
  const directory = mkdtempSync(`${tmpdir()}/kata-ts-processor-`)
  const read = (text: string) => {
    writeFileSync(`${directory}/cpuinfo`, text)
    return hostProcessor(`${directory}/cpuinfo`)
  }
  try {
    const usual = read(`${one()}\n${one({}, 1)}\n`)
    expect(usual).toContain('0x1')
    expect(read(`${one({ 'cpu MHz': '1200.000' })}\n`)).toBe(usual)
    expect(read(`${one({ microcode: '0x2' })}\n`)).not.toBe(usual)
    expect(read(`${one({ flags: 'fpu' })}\n`)).not.toBe(usual)
    // Of a host with more of them, the first is looked at.
    expect(read(`${one()}\n${one({ microcode: '0x2' }, 1)}\n`.repeat(99))).toBe(usual)
  } finally {
    rmSync(directory, { recursive: true })
  }
})

test('the kernel tells of this one', () => {
  expect(hostProcessor()).toContain('flags')
  expect(hostProcessor()).toBe(hostProcessor())
})
