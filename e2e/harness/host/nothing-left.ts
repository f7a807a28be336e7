import { expect } from 'bun:test'
import { eventually } from '../kata.ts'
import { type HostState, hostState, leftBehind } from './host.ts'

/** Waits until nothing is left behind: a shim goes on for a moment after its last answer, and nobody waits for its end. */
export async function expectNothingLeft(before: HostState, runDir: string): Promise<void> {
  let left: string[] = []
  await eventually('nothing to be left', () => {
    left = leftBehind(before, hostState(runDir))
    return left.length === 0 || undefined
  }).catch(() => {})
  expect(left).toEqual([])
}
