/** Against vm.info as the real program told it: created, running, a disk plugged, on its way out, and gone. */
import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { deviceGone, findSlot } from './device-tree.ts'

const path = join(import.meta.dir, '../../../../e2e/recordings/cloud-hypervisor-53.0/info.jsonl')
const told = readFileSync(path, 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as { request: string; answer: string })
  .filter(({ request }) => request.endsWith('vm.info'))
  .map(({ answer }) => JSON.parse(answer) as object)
const [created, running, plugged, leaving, gone] = told

test('a device is found by its place on the bus once the machine runs', async () => {
  expect(told.length).toBe(5)
  await expect(findSlot(async () => created, 'd0')).rejects.toThrow('no device d0')
  expect(await findSlot(async () => running, 'd0')).toBe('01')
  expect(await findSlot(async () => plugged, 'd1')).toBe('04')
  await expect(findSlot(async () => gone, 'd1')).rejects.toThrow('no device d1')
})

test('a device is gone when the tree has it no longer, whatever the configuration says', async () => {
  const answers = [plugged, leaving, leaving, gone]
  let looks = 0
  await deviceGone(async () => answers[looks++], 'd1')
  expect(looks).toBe(4)
})
