/** Against vm.info as the real program told it: a disk plugged, on its way out, and gone. */
import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { deviceGone } from './device-tree.ts'

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
