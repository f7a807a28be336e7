// test:vmm: clh
/**
 * The walls around Cloud Hypervisor, tried by a program in its place: as attack.test.ts does it with QEMU's jail. Neither its own filters nor its own
 * Landlock hold the attacker; what is shown here is our jail alone.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { existsSync } from 'node:fs'
import { processesOfUid } from '../src/linux/processes/proc.ts'
import { rootIdentity } from '../src/rootless/identity/identity.ts'
import { type Attack, optionalActs } from './attack/attacks.ts'
import { clhAttacks, otherwise } from './attack/clh-attacks.ts'
import { clhJail, lackingHere, type Results, Stage, takeSandbox } from './attack/stage.ts'
import { openTargets, type Targets } from './attack/targets.ts'
import { slow } from './harness/time.ts'

const noKvm = existsSync('/dev/kvm') ? '' : ' (skipped: its jail shows /dev/kvm, and this host has none)'
const lacking = lackingHere(optionalActs)
const acts = () => [...new Set(clhAttacks.map(([, act]) => targets.fill(act)))]
let stage: Stage
let targets: Targets

describe.skipIf(noKvm !== '')(`in the jail of Cloud Hypervisor${noKvm}`, () => {
  beforeAll(async () => {
    stage = await Stage.open(clhJail)
    targets = openTargets(stage)
  }, slow(60_000))
  afterAll(async () => {
    targets?.[Symbol.dispose]()
    await stage?.[Symbol.asyncDispose]()
  }, slow(60_000))

  let [jailed, user, root]: Results[] = []
  beforeAll(async () => {
    jailed = await stage.jailed(acts())
    user = stage.unjailed(acts())
    root = stage.asRoot([
      ...new Set(clhAttacks.map(([, act, , , , exception]) => targets.fill(exception?.rootAct ?? act))),
    ])
  }, slow(60_000))
  const isLet = ([goal]: Attack) => otherwise[goal]?.succeeds === true

  describe.each([
    ['fails to', clhAttacks.filter((attack) => !isLet(attack))],
    ['is let do, and gets no further by it:', clhAttacks.filter(isLet)],
  ])('a VMM under foreign control %s', (_, table) => {
    for (const [goal, act, inJail, byUser, byRoot, exception] of table) {
      const missing = lacking.has(act)
      test.skipIf(missing)(`${goal}${missing ? ' (skipped: this host has nothing of it)' : ''}`, () => {
        const filled = targets.fill(act)
        expect({
          jailed: jailed?.get(filled),
          user: byUser === '-' ? '-' : user?.get(filled),
          root: root?.get(targets.fill(exception?.rootAct ?? act)),
        }).toEqual({ jailed: inJail, user: byUser, root: byRoot })
      })
    }
  })

  test('it may make files beside its sockets, as it binds one itself', async () => {
    const act = 'create /sockets/attacker'
    expect((await stage.jailed([act])).get(act)).toBe('ok')
  })

  test('it may make processes, and leaves none running', async () => {
    const { identity, ledger } = await takeSandbox(stage.directory, 'hiding')
    expect((await stage.jailed(['hide'], { identity })).get('hide')).toBe('ok')
    expect(processesOfUid(identity.uid)).toEqual([])
    await ledger.releaseAll()
  })

  test('with rootless off the jail stands alone: only what the user would refuse succeeds besides', async () => {
    const results = await stage.jailed(acts(), { identity: rootIdentity() })
    const succeeded = clhAttacks.filter(([, act]) => results.get(targets.fill(act)) === 'ok')
    const expected = clhAttacks.filter((attack) => isLet(attack) || attack[5]?.fallsWithoutUser)
    expect(succeeded.map(([goal]) => goal)).toEqual(expected.map(([goal]) => goal))
  })
})
