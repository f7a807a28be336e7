// test:vmm: qemu
/**
 * The walls around QEMU, tried by a program in its place. Each attack asserts the error it gets; beside it the
 * same act succeeds for root outside, so that a refusal is the wall's and not the host's. QEMU's own `-sandbox`
 * filter does not hold the attacker: what is shown here are the jail's walls alone. Those of the others: clh-attack.test.ts, firecracker.test.ts.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { chmodSync, chownSync, statSync } from 'node:fs'
import { processesOfUid } from '../src/linux/processes/proc.ts'
import { rootIdentity } from '../src/rootless/identity/identity.ts'
import { type Attack, attacks, liveAttacks, optionalActs } from './attack/attacks.ts'
import { lackingHere, type Results, Stage, takeSandbox } from './attack/stage.ts'
import { openTargets, type Targets } from './attack/targets.ts'
import { Kata } from './harness/kata.ts'
import { slow } from './harness/time.ts'

const kata = new Kata()
const lacking = lackingHere(optionalActs)
let stage: Stage
let targets: Targets
/** Results of everything in the tables, by who acted. */
let jailed: Results
let user: Results
let root: Results

beforeAll(async () => {
  expect((await kata.call(['run', '-d', '--name', 'live', '--', 'sleep', '600'])).code).toBe(0)
  const live = await kata.inspect('live')
  stage = await Stage.open()
  targets = openTargets(stage, live)
  const tables = [...attacks, ...liveAttacks]
  const acts = (table: readonly Attack[]) => [...new Set(table.map(([, act]) => targets.fill(act)))]
  const controls = tables.map(([, act, , , , exception]) => targets.fill(exception?.rootAct ?? act))
  jailed = await stage.jailed(acts(tables))
  user = stage.unjailed(acts(tables))
  root = stage.asRoot([...new Set(controls)], live.sandbox.shimPid)
}, slow(60_000))
afterAll(async () => {
  targets?.[Symbol.dispose]()
  await stage?.[Symbol.asyncDispose]()
  await kata.call(['rm', '-f', 'live'])
  await kata.close()
}, slow(60_000))

/** What each of the three got, the column that says nothing left out. */
function outcome([, act, , byUser, , exception]: Attack) {
  const filled = targets.fill(act)
  return {
    jailed: jailed.get(filled),
    user: byUser === '-' ? '-' : user.get(filled),
    root: root.get(targets.fill(exception?.rootAct ?? act)),
  }
}

describe('a VMM under foreign control fails to', () => {
  for (const attack of attacks) {
    const [goal, act, inJail, byUser, byRoot] = attack
    const missing = lacking.has(act)
    test.skipIf(missing)(`${goal}${missing ? ' (this host has nothing of it)' : ''}`, () => {
      expect(outcome(attack)).toEqual({ jailed: inJail, user: byUser, root: byRoot })
    })
  }
})

describe('with a live machine beside it, it fails to', () => {
  for (const attack of liveAttacks) {
    const [goal, , inJail, byUser, byRoot] = attack
    test(goal, () => {
      expect(outcome(attack)).toEqual({ jailed: inJail, user: byUser, root: byRoot })
    })
  }
})

const noKvmGroup = (statSync('/dev/kvm', { throwIfNoEntry: false })?.gid ?? 0) === 0
test.skipIf(noKvmGroup)(
  `/dev/kvm opens by its group alone${noKvmGroup ? ' (this host has no /dev/kvm with a group)' : ''}`,
  async () => {
    const act = 'open-write /dev/kvm'
    const { identity } = stage.own
    const withGroup = await stage.jailed([act], { accelerator: 'kvm' })
    const without = await stage.jailed([act], { accelerator: 'kvm', identity: { ...identity, groups: [] } })
    expect([withGroup.get(act), without.get(act)]).toEqual(['ok', 'EACCES'])
  },
)

test('what else belongs to the group of /dev/kvm: nothing in the jail, open to the user alone, closed to one without the group', async () => {
  // Stands for /dev/vhost-vsock, /dev/vhost-net and /dev/udmabuf, which systemd's udev rules give to that group.
  const node = `${stage.directory}/of-the-group`
  const group = statSync('/dev/kvm', { throwIfNoEntry: false })?.gid || 64_993
  Bun.spawnSync(['mknod', node, 'c', '1', '3'])
  chownSync(node, 0, group)
  chmodSync(node, 0o660)
  const act = `open-write ${node}`
  const withGroup = { ...stage.own.identity, groups: [group] }
  // As with kvm_access = "descriptor".
  const without = { ...stage.own.identity, groups: [] }
  const jailed = await stage.jailed([act], { identity: withGroup })
  const others = [stage.unjailed([act], withGroup), stage.unjailed([act], without), stage.asRoot([act])]
  expect([jailed, ...others].map((results) => results.get(act))).toEqual(['ENOENT', 'ok', 'EACCES', 'ok'])
})

test('NoNewPrivs alone, without the jail, makes a setuid program powerless', () => {
  const act = `exec ${stage.setuidAttacker} am-i-root`
  const by = (options: readonly string[]) => stage.unjailed([act], stage.own.identity, options).get(act)
  expect([by(['--no-new-privs']), by([])]).toEqual(['exit 1', 'ok'])
})

test('it can leave nothing running; a process of its user without a jail ends with its sandbox', async () => {
  const { identity, ledger } = await takeSandbox(stage.directory, 'hiding')
  const jailed = await stage.jailed(['hide'], { identity })
  expect(jailed.get('hide')).toBe('EPERM')
  expect(processesOfUid(identity.uid)).toEqual([])
  expect(stage.unjailed(['hide'], identity).get('hide')).toBe('ok')
  expect(processesOfUid(identity.uid)).toHaveLength(1)
  await ledger.releaseAll()
  expect(processesOfUid(identity.uid)).toEqual([])
})

test('with rootless off the jail stands alone: only what the user would refuse succeeds', async () => {
  const table = [...attacks, ...liveAttacks]
  const acts = table.map(([, act]) => targets.fill(act))
  const results = await stage.jailed([...new Set(acts)], { identity: rootIdentity() })
  const succeeded = table.filter((_, index) => results.get(acts[index]!) === 'ok').map(([goal]) => goal)
  // It is root already.
  const falling = table.filter(([, , , , , exception]) => exception?.fallsWithoutUser)
  expect(succeeded.sort()).toEqual(falling.map(([goal]) => goal).sort())
})
