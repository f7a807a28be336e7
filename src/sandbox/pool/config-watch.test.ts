import { expect, test } from 'bun:test'
import type { Config } from '../../config/config.ts'
import { builtInConfig } from '../../config/load.ts'
import { silentLogger } from '../../log.ts'
import { FakeClock } from '../../time.double.ts'
import { ConfigWatch, rereadMs } from './config-watch.ts'

const config = builtInConfig()
const another: Config = { ...config, factory: { ...config.factory, vmCacheNumber: 7 } }

function watched() {
  const clock = new FakeClock()
  const told: string[] = []
  const file = { reads: 0, content: (): Config => ({ ...config, source: '/read/again.toml' }) }
  const read = () => {
    file.reads++
    return file.content()
  }
  const log = { ...silentLogger, warn: (message: string) => void told.push(message) }
  return { clock, told, file, watch: new ConfigWatch({ config, read, log, clock }) }
}

test('it is read from time to time, and another one is found once', async () => {
  const { clock, file, watch } = watched()
  expect(watch.next()).toBeUndefined()
  expect(file.reads).toBe(0)
  await clock.pass(rereadMs)
  expect([watch.next(), watch.next(), file.reads]).toEqual([undefined, undefined, 1])
  file.content = () => another
  expect(watch.next()).toBeUndefined()
  await clock.pass(rereadMs)
  expect(watch.next()).toBe(another)
  await clock.pass(rereadMs)
  expect([watch.next(), file.reads]).toEqual([another, 2])
})

test('one that is refused leaves what is, and is told once', async () => {
  const { clock, told, file, watch } = watched()
  file.content = () => {
    throw new Error('half written')
  }
  for (let looks = 0; looks < 3; looks++) {
    await clock.pass(rereadMs)
    expect(watch.next()).toBeUndefined()
  }
  expect([file.reads, told.length]).toEqual([3, 1])
  file.content = () => another
  await clock.pass(rereadMs)
  expect(watch.next()).toBe(another)
})
