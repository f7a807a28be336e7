import { expect, test } from 'bun:test'
import type { CheckResult, CheckStatus } from '../check/check.ts'
import { asText } from './check.ts'

const result = (name: string, status: CheckStatus): CheckResult => ({
  name,
  status,
  detail: `${name} found`,
  remedy: status === 'ok' ? '' : `Mend ${name}.`,
})

test('what needs doing comes first, and a verdict last', () => {
  const checks = [result('a', 'ok'), result('b', 'warning'), result('c', 'failed'), result('d', 'ok')]
  const lines = asText({ fix: [], checks }).trimEnd().split('\n')
  expect(lines.slice(1, 5).map((line) => line[0])).toEqual(['c', 'b', 'a', 'd'])
  expect(lines.slice(6, 8)).toEqual(['c: Mend c.', 'b: Mend b.'])
  expect(lines.at(-1)).toBe('this host cannot run containers yet: 1 failed, 1 warning, 2 ok')
})

test('a host with nothing to do is told so', () => {
  expect(asText({ fix: [], checks: [result('a', 'ok')] })).toEndWith(
    '\nthis host can run containers: 0 failed, 0 warnings, 1 ok\n',
  )
})
