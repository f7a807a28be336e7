import { afterAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Result } from '../report.ts'
import { type Machine, readRecords, recordsDir } from './record.ts'
import { Recorder } from './recorder.ts'

const area = mkdtempSync(join(tmpdir(), 'kata-ts-records-'))
afterAll(() => rmSync(area, { recursive: true }))

const machine: Machine = {
  cpuModel: 'a processor',
  cpus: 2,
  memory: '1024 MiB',
  kernel: '6.12',
  qemu: '10.0.0',
  accelerator: 'tcg',
  guest: { vcpus: 1, memoryMiB: 256 },
}
const result: Result = {
  name: 'stop',
  what: 'the end',
  notes: [],
  data: { median: 1 },
  tables: [{ header: ['', 'median'], rows: [['rm -f', '1.0 ms']] }],
}

function recorder(name: string, { busy, takesBusy = false }: { busy: number[]; takesBusy?: boolean }) {
  const directory = join(area, name)
  const samples = [...busy]
  return { directory, recorder: new Recorder({ takesBusy, directory, sample: async () => samples.shift()! }) }
}

test('a quiet machine is recorded, with all that a reader must know', async () => {
  const { directory, recorder: one } = recorder('quiet', { busy: [0.02, 0.04] })
  expect(await one.isFit()).toBe(true)
  expect(await one.measure('stop', machine, async () => result)).toBe(result)
  const record = readRecords(directory).get('stop')!
  expect(record).toMatchObject({
    benchmark: 'stop',
    tables: result.tables,
    data: result.data,
    conditions: { machine, busy: { start: 0.02, end: 0.04 } },
  })
  expect(record.conditions.wasBusy).toBeUndefined()
  expect(record.conditions.date).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\dZ$/)
  expect(Object.keys(record.conditions)).toEqual(expect.arrayContaining(['commit', 'load', 'stolen']))
})

test('a busy machine is refused before anything is measured, with the remedy', async () => {
  const { recorder: one } = recorder('busy', { busy: [0.5] })
  expect(await one.isFit()).toBe(false)
  expect(one.refusal()).toContain('50 %')
  expect(one.refusal()).toContain('--busy')
})

test('work that began meanwhile keeps a figure out of the records, and is told', async () => {
  const { directory, recorder: one } = recorder('meanwhile', { busy: [0, 0.3] })
  await one.isFit()
  expect(await one.measure('stop', machine, async () => result)).toBe(result)
  expect(readRecords(directory).size).toBe(0)
  expect(one.refused).toEqual([expect.stringContaining('stop is not recorded')])
})

test('--busy records all the same, and the record says so', async () => {
  const { directory, recorder: one } = recorder('taken', { busy: [0.5, 0], takesBusy: true })
  expect(await one.isFit()).toBe(true)
  await one.measure('stop', machine, async () => result)
  expect(readRecords(directory).get('stop')!.conditions.wasBusy).toBe(true)
})

test('figures under KVM have a record of their own', async () => {
  const { directory, recorder: one } = recorder('kvm', { busy: [0, 0] })
  await one.isFit()
  await one.measure('stop', { ...machine, accelerator: 'kvm' }, async () => result)
  expect([...readRecords(directory).keys()]).toEqual(['stop.kvm'])
})

test('a record under the name of another is an error', () => {
  const directory = mkdtempSync(join(area, 'wrong-'))
  writeFileSync(join(directory, 'start.json'), JSON.stringify({ benchmark: 'stop', conditions: { machine } }))
  expect(() => readRecords(directory)).toThrow('holds the record of stop')
  expect(readRecords(join(area, 'nowhere')).size).toBe(0)
})

test('every record that is kept is whole', () => {
  for (const { tables, conditions } of readRecords(recordsDir).values()) {
    for (const { header, rows } of tables) for (const row of rows) expect(row.length).toBe(header.length)
    expect(conditions.date).toMatch(/^\d{4}-\d\d-\d\d(T\d\d:\d\dZ)?$/)
  }
})
