/** One door to confinement: no code outside of src/rootless launches, compares or notes a process by itself. */
import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'

const src = join(import.meta.dir, '..')
/** What the door is made of: modules below src, and those of their names that start, compare or note a process. */
const parts: Readonly<Record<string, readonly string[]>> = {
  'rootless/jail/jail.ts': ['launch'],
  'rootless/posture/posture-check.ts': ['assertPosture', 'settledPosture'],
  'rootless/posture/posture-record.ts': ['recordPosture', 'recordHandover'],
  'rootless/posture/waiter-posture.ts': ['waiterPosture'],
}
const exceptions: Readonly<Record<string, string>> = {
  'sandbox/end/pod-oom-score.ts: recordPosture':
    'starts nothing: notes the score that it has raised for running processes',
}

/** The names that a file imports from the parts of the door, types aside. A whole module counts as all of it. */
function partsIn(file: string, text: string): string[] {
  const imports = text.matchAll(/\b(?:import|export)\s+(?!type\b)([^;'"]*?)\s*from\s*'(\.[^']+)'/g)
  return [...imports].flatMap(([, clause = '', path = '']) => {
    const names = parts[normalize(join(dirname(file), path))] ?? []
    return names.filter((name) => clause.includes('*') || new RegExp(`(?<!type )\\b${name}\\b`).test(clause))
  })
}

const files = [...new Bun.Glob('**/*.ts').scanSync(src)].filter(
  (file) => !/\.(test|double|host)\.ts$|(^|\/)test(ing|-[^/]+)\.ts$/.test(file),
)
const outside = files.filter((file) => !file.startsWith('rootless/'))
const textOf = (file: string) => readFileSync(join(src, file), 'utf8')

test('only the door launches a process in a jail, compares it and notes it for audits', () => {
  expect(outside.length).toBeGreaterThan(300)
  const used = outside.flatMap((file) => partsIn(file, textOf(file)).map((name) => `${file}: ${name}`))
  expect(used.sort()).toEqual(Object.keys(exceptions).sort())
})

test('only the door takes a process into the ledger', () => {
  const taking = files.filter((file) => /\.take\(\s*processResource\b/.test(textOf(file)))
  expect(taking).toEqual([])
  expect(textOf('rootless/confine.ts')).toContain('kind: processResource')
})

test.each([
  ["import { launch } from '../rootless/jail/jail.ts'", ['launch']],
  [
    "import {\n  type ExpectedPosture,\n  settledPosture,\n} from '../rootless/posture/posture-check.ts'",
    ['settledPosture'],
  ],
  ["import * as jail from '../rootless/jail/jail.ts'", ['launch']],
  ["export { recordPosture } from '../rootless/posture/posture-record.ts'", ['recordPosture']],
  ["import type { launch } from '../rootless/jail/jail.ts'", []],
  ["import { type LaunchOptions } from '../rootless/jail/jail.ts'", []],
  ["import { readPostureRecords } from '../rootless/posture/posture-record.ts'", []],
])('%s is seen as %p', (line, names) => {
  expect(partsIn('vmm/made-up.ts', line)).toEqual(names)
})
