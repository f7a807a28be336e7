/** What goes on after a save, and what does not. */
import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { KataError } from '../../errors.ts'
import { silentLogger } from '../../log.ts'
import { saveAtRest } from './at-rest.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'kata-ts-at-rest-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

const machine = { accelerator: { accelerator: 'tcg' }, plan: {}, began: 'boot', macs: [] }
const none = async () => ({})

/** Saves a machine whose VMM does that; what was done, in order. */
async function save(
  vmm: {
    save?: () => Promise<void>
    goOn?: () => Promise<void>
    setTime?: () => Promise<void>
    pause?: () => Promise<void>
    resume?: () => Promise<void>
  },
  ends = false,
) {
  const done: string[] = []
  const noted = (what: string, work: () => Promise<unknown> = none) => ({
    [what]: async () => {
      done.push(what)
      return await work()
    },
  })
  const guest = {
    syncFileSystems: none,
    pauseContainer: vmm.pause ?? none,
    ...noted('setGuestDateTime', vmm.setTime),
    ...noted('resumeContainer', vmm.resume),
  }
  const agent = { agent: guest, rest: async () => true, goOn: () => void done.push('calls go on') }
  const end = { tell: (sign: string) => void done.push(sign) }
  const driver = { save: vmm.save, ...noted('goOn', vmm.goOn) }
  const log = { ...silentLogger, error: (said: string) => void done.push(`error: ${said}`) }
  const parts = { id: 'pod', agent, vmm: driver, disks: { all: [] }, machine, end, log }
  const request = { directory: `${directory}/saved`, ends, signal: new AbortController().signal }
  const saved = { key: 'k', container: 'c' }
  const work = saveAtRest(parts as unknown as Parameters<typeof saveAtRest>[0], saved, request)
  const error = await work.then(
    () => '',
    (failure) => String(failure),
  )
  return { done, error }
}

const fails = (reason: string) => () => Promise.reject(new Error(reason))
const awake = ['goOn', 'calls go on', 'setGuestDateTime', 'resumeContainer']

test('machine, calls and container go on in this order, with the time of the host', async () => {
  expect(await save({})).toEqual({ done: awake, error: '' })
  rmSync(`${directory}/saved`, { recursive: true })
  expect(await save({ save: fails('no room') })).toEqual({ done: awake, error: 'Error: no room' })
})

test('a container whose guest takes no time runs all the same', async () => {
  expect(await save({ setTime: fails('no clock') })).toEqual({ done: awake, error: '' })
})

test('a container whose guest was late to say that it is paused runs on', async () => {
  const late = await save({ pause: fails('no answer') })
  expect(late).toEqual({ done: ['resumeContainer'], error: 'Error: no answer' })
})

test('why it was not saved is told, also when the container does not go on at once', async () => {
  const resume = fails('it did not continue in time')
  for (const vmm of [{ save: fails('no room') }, { pause: fails('no room') }]) {
    rmSync(`${directory}/saved`, { recursive: true, force: true })
    const { done, error } = await save({ ...vmm, resume })
    expect(error).toBe('Error: no room')
    expect(done.at(-1)).toBe('error: the container may stand still')
  }
  rmSync(`${directory}/saved`, { recursive: true, force: true })
  expect((await save({ resume })).error).toBe('Error: it did not continue in time')
})

test('a machine that has ended by its save stays as it is', async () => {
  expect(await save({}, true)).toEqual({ done: [], error: '' })
})

test('a VMM that is late is asked again, and its machine is not given up for that', async () => {
  const late = new KataError('VMM_COMMAND_TIMEOUT', { command: 'cont', seconds: 10 })
  const answers = [Promise.reject(late), Promise.reject(late), Promise.resolve()]
  for (const answer of answers) answer.catch(() => {})
  const { done, error } = await save({ goOn: async () => answers.shift() })
  expect({ done, error }).toEqual({ done: ['goOn', 'goOn', ...awake], error: '' })

  rmSync(`${directory}/saved`, { recursive: true })
  const never = await save({ goOn: () => Promise.reject(late) })
  expect(new Set(never.done)).toEqual(new Set(['goOn', 'condemned', 'calls go on']))
  expect(never.error).toContain('[VMM_COMMAND_TIMEOUT]')
})

test('a machine that does not go on is given up, and nobody waits for it', async () => {
  for (const vmm of [{}, { save: fails('no room') }]) {
    rmSync(`${directory}/saved`, { recursive: true, force: true })
    expect(await save({ ...vmm, goOn: fails('it hangs') })).toEqual({
      done: ['goOn', 'condemned', 'calls go on'],
      error: 'Error: it hangs',
    })
  }
})
