/** Counts of a test run, and what failed of it. */
import { attribute, reportedTests } from './junit.ts'

export interface Counts {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

export function add(a: Counts, b: Counts): Counts {
  return { passed: a.passed + b.passed, failed: a.failed + b.failed, skipped: a.skipped + b.skipped }
}

/**
 * The totals of the report's outermost element. A runner that ended badly without naming a failed test (a crash, an error
 * between tests, no report) counts as one failure, so that nothing unseen passes.
 */
export function junitCounts(xml: string, exitCode: number): Counts {
  const outermost = /<testsuites\b[^>]*>/.exec(xml)?.[0] ?? ''
  const total = (name: string) => Number(new RegExp(`\\b${name}="(\\d+)"`).exec(outermost)?.[1] ?? 0)
  const skipped = total('skipped')
  const named = total('failures') + total('errors')
  const passed = total('tests') - named - skipped
  return { passed, skipped, failed: named === 0 && exitCode !== 0 ? 1 : named }
}

/** The files of which a test, or the file itself, failed. */
export function failedFiles(xml: string): string[] {
  const suites = [...xml.matchAll(/<testsuite\b[^>]*>/g)].map(([tag]) => tag)
  const failed = suites.filter(
    (tag) => Number(attribute(tag, 'failures')) + Number(attribute(tag, 'errors')) > 0,
  )
  return [...new Set(failed.map((tag) => attribute(tag, 'file')))]
}

/** The most lines of what a failed test said that are told again. */
const saidLines = 15

/** Each failed test and what it said, for the end of a run, where a log that is cut still has them. */
export function describeFailures(xml: string): string[] {
  return reportedTests(xml).flatMap(({ file, name, blocks, failure }) => {
    if (failure === undefined) return []
    const said = failure.split('\n').filter((line) => line.trim() !== '')
    const shown = said.slice(0, saidLines).map((line) => `    ${line}`)
    return [[`failed: ${[file, blocks, name].filter(Boolean).join(' > ')}`, ...shown].join('\n')]
  })
}
