import { afterAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { readHostLoad } from './host-load.ts'

const directory = mkdtempSync(`${tmpdir()}/kata-ts-load-`)
afterAll(() => rmSync(directory, { recursive: true }))

test('pressure is read as the kernel writes it', () => {
  writeFileSync(`${directory}/cpu`, 'some avg10=4.44 avg60=17.87 avg300=25.84 total=6259966345\n')
  expect(readHostLoad(directory)).toBeUndefined()
  writeFileSync(
    `${directory}/memory`,
    'some avg10=12.50 avg60=3.25 avg300=0.10 total=1\nfull avg10=9.00 avg60=8.00 avg300=0.00 total=1\n',
  )
  const load = readHostLoad(directory)!
  expect(load).toMatchObject({ cpu: 4.44, memory: { now: 12.5, lately: 3.25 } })
  expect(load.availableMiB).toBeGreaterThan(0)
  expect(load.availableMiB).toBeLessThanOrEqual(load.totalMiB)
})

test('a kernel without the files tells nothing', () => {
  expect(readHostLoad(`${directory}/none`)).toBeUndefined()
})
