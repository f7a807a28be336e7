import { expect, test } from 'bun:test'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../paths.ts'
import { inLanes, waitingFiles } from './lanes.ts'

/** What ran at the same time, once for each file. */
async function together(files: readonly string[], lanes: number): Promise<string[][]> {
  const running = new Set<string>()
  const seen: string[][] = []
  await inLanes(files, lanes, async (file) => {
    running.add(file)
    await Bun.sleep(1)
    seen.push([...running])
    await Bun.sleep(1)
    running.delete(file)
  })
  return seen
}

const [first = '', second = ''] = waitingFiles

test('the files that wait are there', () => {
  expect(waitingFiles.filter((file) => !existsSync(join(root, file)))).toEqual([])
})

test('one that waits runs beside two others, and each runs once', async () => {
  const files = ['a', first, 'b', 'c', second, 'd']
  const ran: string[] = []
  await inLanes(files, 3, async (file) => {
    await Bun.sleep(1)
    ran.push(file)
  })
  expect(ran.sort()).toEqual([...files].sort())
  expect((await together(files, 3))[0]).toEqual([first, 'a', 'b'])
})

test('those that wait run side by side once nothing else is to be run', async () => {
  expect((await together([first, second], 2))[0]).toEqual([first, second])
})

test('in one lane nothing runs beside another', async () => {
  const seen = await together([first, 'a', second], 1)
  expect(seen).toEqual([[first], [second], ['a']])
})
