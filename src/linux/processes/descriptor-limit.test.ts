import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { descriptorRights } from './descriptor-limit.ts'

const limits =
  'Limit  Soft Limit  Hard Limit  Units\nMax open files            1024                 4096                 files\n'
const most = '1048576\n'

test.each([
  [
    'the capability raises it to the kernel’s bound',
    { limits, most, status: 'CapEff:\t0000000001000000\n' },
    1_048_576,
  ],
  ['every other capability leaves it', { limits, most, status: 'CapEff:\t000001fffeffffff\n' }, 4096],
  [
    'a bound below it takes nothing away',
    { limits, most: '64\n', status: 'CapEff:\t0000000001000000\n' },
    4096,
  ],
  ['what cannot be read gives no right', { limits }, 4096],
])('%s', (_, texts, reachable) => {
  expect(descriptorRights(texts)).toEqual({ hard: 4096, reachable })
})

/** Both limits of a process that was given `soft` and `hard`, after it asked for `wanted`. */
async function raised(soft: number, hard: number, wanted: number): Promise<string[]> {
  const module = JSON.stringify(join(import.meta.dir, 'descriptor-limit.ts'))
  const script = `
    const { raiseDescriptorLimit } = await import(${module})
    raiseDescriptorLimit(${wanted})
    console.log(await Bun.file('/proc/self/limits').text())`
  const child = Bun.spawn(['prlimit', `--nofile=${soft}:${hard}`, process.execPath, '-e', script])
  return /^Max open files +(\S+) +(\S+)/m.exec(await child.stdout.text())!.slice(1)
}

test('the limit of a process is what it may reach, and is never lowered', async () => {
  const texts = { limits: '', status: await Bun.file('/proc/self/status').text(), most: '512' }
  const mayRaise = descriptorRights(texts).reachable > 0
  expect((await raised(200, 300, 400))[1]).toBe(mayRaise ? '400' : '300')
  expect((await raised(200, 300, 250))[1]).toBe('300')
})
