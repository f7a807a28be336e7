/**
 * The walls around the VMM, tried by a program in its place. Each attack asserts the error it gets; beside it the
 * same act succeeds for root outside, so that a refusal is the wall's and not the host's. QEMU's own `-sandbox`
 * filter does not hold the attacker: what is shown here are the jail's walls alone.
 */
import { afterAll, expect, test } from 'bun:test'
import { attacks } from './attack/attacks.ts'
import { Stage } from './attack/stage.ts'
import { openTargets } from './attack/targets.ts'

const stage = await Stage.open()
const targets = openTargets(stage)
afterAll(async () => {
  targets[Symbol.dispose]()
  await stage[Symbol.asyncDispose]()
})
const jailed = await stage.jailed(attacks.map(([, act]) => targets.fill(act)))
const user = stage.unjailed(attacks.map(([, act]) => targets.fill(act)))
const root = stage.asRoot(attacks.map(([, act, , , , { rootAct = act } = {}]) => targets.fill(rootAct)))

for (const [goal, template, expectedJailed, expectedUser, expectedRoot, exception] of attacks) {
  const act = targets.fill(template)
  const control = root.get(targets.fill(exception?.rootAct ?? template))
  const missing = exception?.optional === true && ['ENOSYS', 'ENOENT'].includes(control ?? '')
  test.skipIf(missing)(`to ${goal}${missing ? ' (this host has nothing of it)' : ''}`, () => {
    expect({
      jailed: jailed.get(act),
      user: expectedUser === '-' ? '-' : user.get(act),
      root: control,
    }).toEqual({ jailed: expectedJailed, user: expectedUser, root: expectedRoot })
  })
}
