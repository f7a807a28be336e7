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
 * between tests, no report) counts as one failure, and so does each of `files` of which the report has no test: nothing
 * unseen passes. A test that calls process.exit(0) makes Bun end well without a report (oven-sh/bun#35139).
 */
export function junitCounts(xml: string, exitCode: number, files: readonly string[] = []): Counts {
  const outermost = outermostOf(xml)
  const total = (name: string) => Number(new RegExp(`\\b${name}="(\\d+)"`).exec(outermost ?? '')?.[1] ?? 0)
  const skipped = total('skipped')
  const named = total('failures') + total('errors')
  const failed = named + untoldFiles(xml, files).length
  const isUnseen = failed === 0 && (exitCode !== 0 || outermost === undefined)
  return { passed: total('tests') - named - skipped, skipped, failed: isUnseen ? 1 : failed }
}

const outermostOf = (xml: string): string | undefined => /<testsuites\b[^>]*>/.exec(xml)?.[0]

/** Those of `files` of which a report tells no test, not even one that was left out; none where there is no report. */
function untoldFiles(xml: string, files: readonly string[]): string[] {
  if (outermostOf(xml) === undefined) return []
  const told = new Set(reportedTests(xml).map(({ file }) => file))
  return files.filter((file) => !told.has(file))
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

/**
 * What {@link junitCounts} counts as failed, each failed test with what it said: for the end of a run, where a log that is cut
 * still has it.
 */
export function describeFailures(xml: string, exitCode: number, files: readonly string[] = []): string[] {
  const told = [
    ...failedTests(xml),
    ...untoldFiles(xml, files).map((file) => `failed: ${file}: the report has no test of it`),
  ]
  if (outermostOf(xml) === undefined)
    return [`failed: a test process wrote no report; its exit code is ${exitCode}`]
  if (told.length === 0 && exitCode !== 0)
    return [`failed: a test process ended with ${exitCode}, and no failed test`]
  return told
}

function failedTests(xml: string): string[] {
  return reportedTests(xml).flatMap(({ file, name, blocks, failure }) => {
    if (failure === undefined) return []
    const said = failure.split('\n').filter((line) => line.trim() !== '')
    const shown = said.slice(0, saidLines).map((line) => `    ${line}`)
    return [[`failed: ${[file, blocks, name].filter(Boolean).join(' > ')}`, ...shown].join('\n')]
  })
}
