// test:vmm: every VMM
/**
 * A live machine, attacked by a process of another sandbox's user and by one of its VMM's own user, without any jail: what holds them is the user
 * alone. Beside each attack stands the same by root. The jails are attacked by attack.test.ts, clh-attack.test.ts and firecracker.test.ts.
 */
import { afterAll, beforeAll, describe, expect } from 'bun:test'
import { type Attack, liveAttacks, ownUserAttacks } from './attack/attacks.ts'
import { type Results, Stage } from './attack/stage.ts'
import { openTargets, type Targets } from './attack/targets.ts'
import { podTest } from './harness/cannot.ts'
import { Kata } from './harness/kata.ts'
import { slow } from './harness/time.ts'

const kata = new Kata()
let stage: Stage
let targets: Targets
let other: Results
let own: Results
let root: Results

beforeAll(async () => {
  expect((await kata.call(['run', '-d', '--name', 'live', '--', 'sleep', '600'])).code).toBe(0)
  const live = await kata.inspect('live')
  stage = await Stage.open()
  targets = openTargets(stage, live)
  const acts = (table: readonly Attack[]) => [...new Set(table.map(([, act]) => targets.fill(act)))]
  other = stage.unjailed(acts(liveAttacks))
  own = stage.unjailed(acts(ownUserAttacks), live.sandbox)
  root = stage.asRoot(acts([...liveAttacks, ...ownUserAttacks]), live.sandbox.shimPid)
}, slow(60_000))
afterAll(async () => {
  targets?.[Symbol.dispose]()
  await stage?.[Symbol.asyncDispose]()
  await kata.call(['rm', '-f', 'live'])
  await kata.close()
}, slow(60_000))

describe.each([
  ["a process of another sandbox's user fails to", liveAttacks, () => other],
  ["a process of a live VMM's own user fails to", ownUserAttacks, () => own],
] as const)('%s', (_, table, results) => {
  for (const [goal, act, , byUser, byRoot] of table)
    podTest(goal, async () => {
      const filled = targets.fill(act)
      expect({ user: results().get(filled), root: root.get(filled) }).toEqual({ user: byUser, root: byRoot })
    })
})
