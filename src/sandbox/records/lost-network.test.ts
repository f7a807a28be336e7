import { expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { processRef } from '../../linux/processes/proc.ts'
import { pastaPosture } from '../../network/uplink/pasta.ts'
import { forgetPostures, recordPosture } from '../../rootless/posture/posture-record.ts'
import { hasLostNetwork } from './lost-network.ts'

test('a network is lost with its pasta, and not by an end that was asked for', () => {
  const directory = mkdtempSync(`${tmpdir()}/lost-`)
  try {
    expect(hasLostNetwork(directory)).toBe(false)
    const own = processRef(process.pid)!
    recordPosture(directory, { name: 'pasta', ref: own, expected: pastaPosture(7, []) })
    expect(hasLostNetwork(directory)).toBe(false)
    const ended = { ...own, startTime: '1' }
    recordPosture(directory, { name: 'resolver', ref: ended, expected: pastaPosture(7, []) })
    expect(hasLostNetwork(directory)).toBe(false)
    recordPosture(directory, { name: 'pasta', ref: ended, expected: pastaPosture(7, []) })
    expect(hasLostNetwork(directory)).toBe(true)
    forgetPostures(directory)
    expect(hasLostNetwork(directory)).toBe(false)
  } finally {
    rmSync(directory, { recursive: true })
  }
})
