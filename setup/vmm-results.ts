/** What a run of the pod suite over one VMM came to: read from the JUnit report of `bun test`, kept for docs/vmm-features.md. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { features } from '../e2e/vmm-features.ts'
import type { HypervisorDriver } from '../src/config/config.ts'
import { root } from './paths.ts'

/** `pass`, `fail`, or why it was left out. */
export type Outcome = 'pass' | 'fail' | { readonly skipped: string }

export interface TestResult {
  /** Below e2e/, without `.test.ts`. */
  readonly file: string
  /** Without the reason of a test that was left out. */
  readonly name: string
  readonly outcome: Outcome
}

export interface VmmResults {
  /** The program's own words about its version. */
  readonly program: string
  readonly isDouble: boolean
  /** Day of the last run, UTC. */
  readonly date: string
  readonly tests: readonly TestResult[]
}

const fileOf = (driver: HypervisorDriver) => join(root, 'e2e/results', `${driver}.json`)

export function readResults(driver: HypervisorDriver): VmmResults | undefined {
  const file = fileOf(driver)
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as VmmResults) : undefined
}

/** Writes down what the table of features names. Files that were not run keep what they had. */
export function recordResults(driver: HypervisorDriver, results: VmmResults): void {
  const named = new Set(
    features.flatMap(({ tests, own }) => [...tests, ...(own?.[driver] ?? [])].map(([file]) => file)),
  )
  const run = new Set(results.tests.map(({ file }) => file))
  const kept = readResults(driver)?.tests.filter(({ file }) => !run.has(file)) ?? []
  const tests = [...kept, ...results.tests]
    .filter(({ file }) => named.has(file))
    .sort((a, b) => (a.file < b.file ? -1 : Number(a.file > b.file)))
  mkdirSync(dirname(fileOf(driver)), { recursive: true })
  writeFileSync(fileOf(driver), `${JSON.stringify({ ...results, tests }, null, 2)}\n`)
}

/** Every test of a report. Of blocks only the name matters in which a reason stands. */
export function testResults(xml: string): TestResult[] {
  return [...xml.matchAll(/<testcase\b([^>]*?)(\/>|>(.*?)<\/testcase>)/gs)].map(
    ([, attributes = '', , inside = '']) => {
      const attribute = (name: string) =>
        unescapeXml(new RegExp(`(?:^|\\s)${name}="([^"]*)"`).exec(attributes)?.[1] ?? '')
      const file = attribute('file')
        .replace(/^e2e\//, '')
        .replace(/\.test\.ts$/, '')
      const full = attribute('name')
      const reason = reasonIn(full) ?? reasonIn(attribute('classname'))
      if (inside.includes('<skipped'))
        return { file, name: withoutReason(full), outcome: { skipped: reason ?? 'no reason is given' } }
      const failed = /<(failure|error)\b/.test(inside)
      return { file, name: full, outcome: failed ? 'fail' : 'pass' }
    },
  )
}

/** Names end like this when they are left out: `name (skipped: why)`, `name (clh: why)`. */
const reasonAtEnd = / \(([a-z]+: |)([^()]+)\)$/
const reasonIn = (name: string): string | undefined => reasonAtEnd.exec(name)?.[2]
const withoutReason = (name: string): string => name.replace(reasonAtEnd, '')

function unescapeXml(text: string): string {
  const named: Record<string, string> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' }
  return text.replace(/&(lt|gt|quot|apos|amp);/g, (_, name: string) => named[name]!)
}
