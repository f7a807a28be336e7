/** Against vm.info as the real program told it: a disk plugged, on its way out, and gone. */
import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { deviceGone, wantsDisk } from './device-tree.ts'

const path = join(import.meta.dir, '../../../../e2e/recordings/cloud-hypervisor-53.0/info.jsonl')
const told = readFileSync(path, 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as { request: string; answer: string })
  .filter(({ request }) => request.endsWith('vm.info'))
  .map(({ answer }) => JSON.parse(answer) as object)
// Before them: created, and running.
const [plugged, leaving, gone] = told.slice(2)

test('a device is gone when the tree has it no longer, whatever the configuration says', async () => {
  expect(told.length).toBe(5)
  const answers = [plugged, leaving, leaving, gone]
  let looks = 0
  await deviceGone(async () => answers[looks++], 'd1')
  expect(looks).toBe(4)
})

test('a machine is to have a disk until its removal is asked for, whatever the tree says', async () => {
  const wants = (answer: unknown, id = 'd1') => wantsDisk(async () => answer, id)
  expect(await Promise.all([plugged, leaving, gone].map((answer) => wants(answer)))).toEqual([
    true,
    false,
    false,
  ])
  expect(await wants(gone, 'd0')).toBe(true)
  expect(await wants({ config: {} })).toBe(false)
  await expect(wants({ config: { disks: 'd1' } })).rejects.toThrow('[VMM_PROTOCOL]')
})
