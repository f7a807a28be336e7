import { afterAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { createLogger } from '../log.ts'
import { readWarnings, warnClient } from './warnings.ts'

const bundle = mkdtempSync(`${tmpdir()}/client-warnings-`)
afterAll(() => rmSync(bundle, { recursive: true }))

const logged: string[] = []
const log = createLogger({ sink: ({ message }) => logged.push(message) })

test('warnings are in the log and beside the bundle, in their order, whatever is in them', () => {
  expect(readWarnings(bundle)).toEqual([])
  for (const warning of ['first', 'second\nwith "another" line']) warnClient(bundle, warning, log)
  expect(readWarnings(bundle)).toEqual(['first', 'second\nwith "another" line'])
  expect(logged).toEqual(['first', 'second\nwith "another" line'])
})

test('a bundle that is gone is no failure of a start', () => {
  logged.length = 0
  warnClient(`${bundle}/gone`, 'third', log)
  expect(logged).toEqual(['third', 'that warning did not reach the client'])
})
