import { expect, test } from 'bun:test'
import { restoreState, saveState } from './saved-state.ts'

/** QEMU's answers by command; what it was asked, in order. */
function qemu(answers: Readonly<Record<string, () => unknown>>) {
  const asked: [string, object, readonly number[]][] = []
  const execute = async (command: string, args: object = {}, fds: readonly number[] = []) => {
    asked.push([command, args, fds])
    return (answers[command] ?? (() => ({})))()
  }
  return { asked, execute }
}

const set = (isWithin: boolean) => ({
  capabilities: [
    { capability: 'mapped-ram', state: isWithin },
    { capability: 'x-ignore-shared', state: !isWithin },
  ],
})
const inSet = { 'add-fd': () => ({ 'fdset-id': 4, fd: 30 }) }

test('a machine is saved while it stands still, to a descriptor', async () => {
  const states = ['setup', 'active', 'completed']
  const { asked, execute } = qemu({ ...inSet, 'query-migrate': () => ({ status: states.shift() }) })
  await saveState(execute, 9)
  expect(asked.filter(([command]) => command !== 'query-migrate')).toEqual([
    ['stop', {}, []],
    ['migrate-set-capabilities', set(true), []],
    ['add-fd', {}, [9]],
    ['migrate', { uri: 'file:/dev/fdset/4' }, []],
    ['remove-fd', { 'fdset-id': 4 }, []],
  ])
  expect(states).toEqual([])
})

test('a machine goes on from a descriptor, and does not end with a state that it cannot read', async () => {
  const { asked, execute } = qemu({ ...inSet, 'query-migrate': () => ({ status: 'completed' }) })
  await restoreState(execute, 9)
  expect(asked.map(([command]) => command)).toEqual([
    ...['migrate-set-capabilities', 'add-fd', 'migrate-incoming', 'query-migrate', 'remove-fd'],
  ])
  expect(asked[2]![1]).toEqual({ uri: 'file:/dev/fdset/4', 'exit-on-error': false })
})

test('memory that is a file of its own is left out on both sides', async () => {
  for (const move of [saveState, restoreState]) {
    const { asked, execute } = qemu({ ...inSet, 'query-migrate': () => ({ status: 'completed' }) })
    await move(execute, 9, 'apart')
    const told = asked.filter(([command]) => command === 'migrate-set-capabilities').map(([, args]) => args)
    expect(told).toEqual([set(false)])
  }
})

test.each([
  [{ status: 'failed', 'error-desc': 'wrong machine' }, 'wrong machine'],
  [{ status: 'cancelled' }, 'it is cancelled'],
])('%p is QEMU’s refusal', async (answer, reason) => {
  const { execute } = qemu({ ...inSet, 'query-migrate': () => answer })
  await expect(restoreState(execute, 9)).rejects.toThrow(`refused migrate-incoming: ${reason}`)
})

test('an answer of another shape is no state', async () => {
  await expect(restoreState(qemu({ 'add-fd': () => ({}) }).execute, 9)).rejects.toThrow('[VMM_PROTOCOL]')
  await expect(restoreState(qemu({ ...inSet, 'query-migrate': () => 1 }).execute, 9)).rejects.toThrow(
    '[VMM_PROTOCOL]',
  )
})
