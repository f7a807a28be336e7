/** Counts of a test run and the files that failed, read from the JUnit report that `bun test` writes. */

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

/** The files of which a test failed. */
export function failedFiles(xml: string): string[] {
  const suites = [...xml.matchAll(/<testsuite\b[^>]*>/g)].map(([tag]) => tag)
  const attribute = (tag: string, name: string) => new RegExp(`\\b${name}="([^"]*)"`).exec(tag)?.[1] ?? ''
  const failed = suites.filter(
    (tag) => Number(attribute(tag, 'failures')) + Number(attribute(tag, 'errors')) > 0,
  )
  return [...new Set(failed.map((tag) => attribute(tag, 'file')))]
}
