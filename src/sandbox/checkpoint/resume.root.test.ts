/** A start from a saved machine: its stages in their order, and what is left of one that fails. Root's own files are what is asked for, so this runs as root. */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { existsSync } from 'node:fs'
import { readFacts } from '../records/facts.ts'
import type { Step } from '../start/doubles/host.double.ts'
import { resumeSandbox } from './resume.ts'
import { SavedPod } from './saved-pod.double.ts'

let double: SavedPod
beforeEach(async () => {
  double = new SavedPod()
  await double.save()
})
afterEach(() => double[Symbol.dispose]())

const resume = () => resumeSandbox(double.pod(), double.saved, double.withKernel)
const inOrder = [
  ...['claim', 'sweep', 'assets', 'accelerator', 'cgroups', 'user', 'network'],
  ...['nics', 'tpm', 'vsock', 'vmm', 'connect-agent', 'plug vmm', 'boot'],
] as const

test('the machine goes on in place of booting, after the stages that every start has', async () => {
  const sandbox = await resume()
  const told = double.log.filter((line) => (inOrder as readonly string[]).includes(line))
  expect(told).toEqual([...inOrder])
  expect(double.made!.spec).toMatchObject({ resumed: { state: `${double.saved}/state`, wasClone: false } })
  // Its container is there: the guest is told the time, and no sandbox.
  expect(double.kata.calls).not.toContain('CreateSandbox')
  expect(double.kata.calls).toContain('SetGuestDateTime')
  const { timings } = readFacts(double.paths.facts)!
  expect(timings.map(({ step }) => step).sort()).toEqual(
    [
      ...['verify image', 'accelerator', 'cgroups', 'user', 'make network', 'network', 'tpm', 'same machine'],
      ...['vmm', 'verify checkpoint', 'guest boot', 'guest sandbox'],
    ].sort(),
  )
  await sandbox.stop()
  expect(existsSync(double.paths.stateDir)).toBe(false)
})

const failing = ['accelerator', 'cgroups', 'user', 'network', 'nics', 'vmm', 'connect-agent', 'boot'] as const
describe.each<Step>(failing)('one that fails at %s', (step) => {
  test('leaves nothing but what was saved', async () => {
    double.onStep = (now) => {
      if (now === step) throw new Error(`no ${step}`)
    }
    await expect(resume()).rejects.toThrow(`no ${step}`)
    expect(existsSync(double.paths.stateDir)).toBe(false)
    expect(double.log).toContain('release owner')
    expect(double.open).toBe(0)
    expect(existsSync(`${double.saved}/state`)).toBe(true)
  })
})
