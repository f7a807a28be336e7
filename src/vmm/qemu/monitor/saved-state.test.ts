import { expect, test } from 'bun:test'
import { type Move, restoreState, saveState } from './saved-state.ts'

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
const whole: Move = { fd: 9, memory: 'within', longestMs: 10_000 }
const inSet = { 'add-fd': () => ({ 'fdset-id': 4, fd: 30 }) }

test('a machine is saved while it stands still, to a descriptor', async () => {
  const states = ['setup', 'active', 'completed']
  const { asked, execute } = qemu({ ...inSet, 'query-migrate': () => ({ status: states.shift() }) })
  await saveState(execute, whole)
  expect(asked.filter(([command]) => command !== 'query-migrate')).toEqual([
    ['stop', {}, []],
    ['migrate-set-parameters', { 'max-bandwidth': 107_374_182_400 }, []],
    ['migrate-set-capabilities', set(true), []],
    ['add-fd', {}, [9]],
    ['migrate', { uri: 'file:/dev/fdset/4' }, []],
    ['remove-fd', { 'fdset-id': 4 }, []],
  ])
  expect(states).toEqual([])
})

test('a machine goes on from a descriptor, and does not end with a state that it cannot read', async () => {
  const { asked, execute } = qemu({ ...inSet, 'query-migrate': () => ({ status: 'completed' }) })
  await restoreState(execute, whole)
  expect(asked.map(([command]) => command)).toEqual([
    ...['migrate-set-capabilities', 'add-fd', 'migrate-incoming', 'query-migrate', 'remove-fd'],
  ])
  expect(asked[2]![1]).toEqual({ uri: 'file:/dev/fdset/4', 'exit-on-error': false })
})

test('memory that is a file of its own is left out on both sides', async () => {
  for (const move of [saveState, restoreState]) {
    const { asked, execute } = qemu({ ...inSet, 'query-migrate': () => ({ status: 'completed' }) })
    await move(execute, { ...whole, memory: 'apart' })
    const told = asked.filter(([command]) => command === 'migrate-set-capabilities').map(([, args]) => args)
    expect(told).toEqual([set(false)])
  }
})

test.each([
  [{ status: 'failed', 'error-desc': 'wrong machine' }, 'wrong machine'],
  [{ status: 'cancelled' }, 'it is cancelled'],
])('%p is QEMU’s refusal', async (answer, reason) => {
  const { execute } = qemu({ ...inSet, 'query-migrate': () => answer })
  await expect(restoreState(execute, whole)).rejects.toThrow(`refused migrate-incoming: ${reason}`)
})

/** The commands of a save that fails by `failure`, from the one on that begins it. */
async function failing(answers: Parameters<typeof qemu>[0], failure: string, longestMs: number) {
  const { asked, execute } = qemu({ ...inSet, ...answers })
  await expect(saveState(execute, { ...whole, longestMs })).rejects.toThrow(failure)
  const commands = asked.map(([command]) => command)
  return commands.slice(commands.indexOf('migrate'))
}

test('a save that takes too long is over before the guest may go on', async () => {
  const states = ['active', 'active', 'cancelling', 'cancelled']
  let isCancelled = false
  const answers = {
    migrate_cancel: () => {
      isCancelled = true
    },
    'query-migrate': () => ({ status: isCancelled ? states.shift() : 'active' }),
  }
  const asked = await failing(answers, 'it is not done after 0.005 s', 5)
  expect(asked.slice(asked.indexOf('migrate_cancel'))).toEqual([
    ...['migrate_cancel', 'query-migrate', 'query-migrate', 'query-migrate', 'query-migrate', 'remove-fd'],
  ])
})

test('a save that QEMU does not begin leaves nothing, and fails by that', async () => {
  const fail = () => {
    throw new Error('no migration')
  }
  const none = { migrate: fail, 'query-migrate': () => ({}) }
  expect(await failing(none, 'no migration', 5)).toEqual([
    ...['migrate', 'migrate_cancel', 'query-migrate', 'remove-fd'],
  ])
  const silent = { migrate: fail, migrate_cancel: () => Promise.reject(new Error('gone')) }
  expect(await failing({ ...silent, 'remove-fd': silent.migrate_cancel }, 'no migration', 5)).toEqual([
    ...['migrate', 'migrate_cancel', 'remove-fd'],
  ])
})

test.each([
  ['No space left on device', 'ENOSPC'],
  ['Disk quota exceeded', 'EDQUOT'],
])('%s: QEMU lets go of the file, and the error is that of the system', async (words, errno) => {
  const answers = {
    'query-migrate': () => ({ status: 'failed', 'error-desc': `Unable to write to file: ${words}` }),
  }
  const asked = await failing(answers, errno, 10_000)
  expect(asked.at(-1)).toBe('remove-fd')
})

test('a state that cannot be read is closed', async () => {
  const { asked, execute } = qemu({ ...inSet, 'query-migrate': () => ({ status: 'failed' }) })
  await expect(restoreState(execute, whole)).rejects.toThrow('it is failed')
  expect(asked.at(-1)![0]).toBe('remove-fd')
})

test('an answer of another shape is no state', async () => {
  await expect(restoreState(qemu({ 'add-fd': () => ({}) }).execute, whole)).rejects.toThrow('[VMM_PROTOCOL]')
  await expect(restoreState(qemu({ ...inSet, 'query-migrate': () => 1 }).execute, whole)).rejects.toThrow(
    '[VMM_PROTOCOL]',
  )
})
