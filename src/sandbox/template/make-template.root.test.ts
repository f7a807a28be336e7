/** The making of a template: its stages in their order, and what is left. Only root's files are a template, so this runs as root. */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { Pool } from '../pool/pool.double.ts'
import type { Step } from '../start/doubles/host.double.ts'
import { makeTemplate } from './make-template.ts'
import { findTemplate } from './template-store.ts'

let double: Pool
beforeEach(() => {
  double = new Pool()
})
afterEach(() => double[Symbol.dispose]())

const templatePath = () => `${double.directory}/templates`

/** Makes one with a VMM that can save its machine. */
function make() {
  const { config, runDir, log, signal } = double.pod()
  const host = double.withTemplate
  const save = async ({ state }: { readonly state: number }) => {
    double.log.push('save')
    writeFileSync(state, 'machine')
  }
  const factory = { ...config.factory, templatePath: templatePath() }
  return makeTemplate(
    { config: { ...config, factory }, runDir, log, signal },
    { ...host, createVmm: async (options) => Object.assign(await host.createVmm(options), { save }) },
  )
}

test('its machine boots with nothing that is a pod’s, is saved once its guest answers, and goes', async () => {
  const { facts, saved } = await make()
  expect(double.log.filter((line) => !line.startsWith('release '))).toEqual([
    ...['claim', 'sweep', 'accelerator', 'user', 'vmm', 'connect-agent'],
    ...['boot', 'answer', 'load-drivers', 'clear-memory', 'save', 'stop vmm'],
  ])
  expect(double.log.filter((line) => line.startsWith('release '))).toEqual([
    ...['release vmm', 'release user', 'release owner'],
  ])
  expect(double.made!.spec).toMatchObject({ nics: [], template: 'make' })
  expect(facts).toMatchObject({ vmm: '/bin/sh', accelerator: 'kvm', memoryMiB: 256 })
  expect(findTemplate(templatePath(), facts.key)).toEqual({ facts, saved })
  expect(existsSync(double.paths.stateDir)).toBe(false)
})

const failing = ['accelerator', 'user', 'vmm', 'connect-agent', 'boot', 'answer'] as const
describe.each<Step>(failing)('one that fails at %s', (step) => {
  test('leaves neither a template nor a machine', async () => {
    double.onStep = (now) => {
      if (now === step) throw new Error(`no ${step}`)
    }
    await expect(make()).rejects.toThrow(`no ${step}`)
    expect(existsSync(templatePath()) ? readdirSync(templatePath()) : []).toEqual([])
    expect(existsSync(double.paths.stateDir)).toBe(false)
    expect(double.log.at(-1)).toBe('release owner')
  })
})
