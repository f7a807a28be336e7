/** A volume that a container has is not removed, whenever it got it. */
import { afterEach, beforeEach, expect, test } from 'bun:test'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { silentLogger } from '../../log.ts'
import { createVolume, readVolume, volumePaths } from '../client/volumes/store.ts'
import type { Settings } from '../settings.ts'
import { inspect, prune, rm } from './volume.ts'

let stateDir: string
let settings: Settings
let told: string
beforeEach(() => {
  stateDir = mkdtempSync(`${tmpdir()}/volume-uses-`)
  told = ''
  const tell = (text: string) => {
    told += text
  }
  settings = {
    stateDir,
    namespace: 'default',
    format: 'text',
    print: () => {},
    tell,
    log: silentLogger,
  } as unknown as Settings
  createVolume(settings, 'data')
})
afterEach(() => rmSync(stateDir, { recursive: true }))

const data = () => volumePaths(settings, 'data').data

function addContainer(config: string): void {
  const bundle = `${stateDir}/containers/default/web/bundle`
  mkdirSync(bundle, { recursive: true })
  writeFileSync(`${bundle}/config.json`, config)
}
const withVolume = () =>
  JSON.stringify({ ociVersion: '1.0.2', mounts: [{ destination: '/data', type: 'bind', source: data() }] })

test('inspect takes templates with docker’s fields', async () => {
  let printed = ''
  const print = (text: string) => {
    printed += text
    return true
  }
  createVolume(settings, 'labelled', { a: 'b' })
  const template = '{{.Name}} {{.Driver}} {{.Mountpoint}} {{.Labels.a}} {{.Labels.none}}.'
  expect(await inspect({ ...settings, print, template }, {}, ['labelled', 'none'])).toBe(1)
  expect(printed).toBe(`labelled local ${volumePaths(settings, 'labelled').data} b .\n`)
  expect(told).toContain('[VOLUME_NOT_FOUND]')
  await expect(inspect({ ...settings, print, template: 'table x' }, {}, ['data'])).rejects.toThrow(
    /^\[TEMPLATE_INVALID\]/,
  )
})

test('prune leaves a volume that a container gets while it is at work', async () => {
  const rest = `${stateDir}/volumes/default/.unfinished-x`
  mkdirSync(rest)
  const pruned = prune(settings, { force: true, all: true } as never)
  addContainer(withVolume())
  expect(await pruned).toBe(0)
  expect(existsSync(rest)).toBe(false)
  expect(existsSync(data())).toBe(true)
})

test('nothing is removed while a container does not say which volumes it has', async () => {
  // As after a power cut.
  addContainer('')
  await expect(prune(settings, { force: true, all: true } as never)).rejects.toThrow('[RECORD_UNREADABLE]')
  expect(await rm(settings, { force: true, all: true } as never, ['data'])).toBe(1)
  expect(told).toContain('[RECORD_UNREADABLE]')
  expect(existsSync(data())).toBe(true)
})

test('one that is being made, and has no specification yet, says that it has none', async () => {
  mkdirSync(`${stateDir}/containers/default/web/bundle`, { recursive: true })
  expect(await prune(settings, { force: true, all: true } as never)).toBe(0)
  expect(existsSync(data())).toBe(false)
})

test('a volume whose name is taken by something else is not made, and leaves nothing', () => {
  const volumes = `${stateDir}/volumes/default`
  symlinkSync('nowhere', `${volumes}/other`)
  expect(() => createVolume(settings, 'other')).toThrow('ENOTDIR')
  expect(readdirSync(volumes).sort()).toEqual(['data', 'other'])
})

test('one whose file is no volume of ours is told with its path', () => {
  const { file } = volumePaths(settings, 'data')
  writeFileSync(file, '{"labels":7}')
  expect(() => readVolume(settings, 'data')).toThrow(
    new RegExp(`^\\[VOLUME_UNREADABLE\\] the record ${file} of a volume cannot be read .*in _data`),
  )
})
