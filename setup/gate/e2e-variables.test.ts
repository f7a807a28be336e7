import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../paths.ts'

const readme = readFileSync(join(root, 'e2e/README.md'), 'utf8')

test('every variable of the e2e tests stands in their README', () => {
  const sources = ['e2e', 'lab', 'setup'].flatMap((folder) =>
    [...new Bun.Glob(`${folder}/**/*.ts`).scanSync(root)].map((path) =>
      readFileSync(join(root, path), 'utf8'),
    ),
  )
  const named = sources.flatMap((text) => text.match(/\bKATA_TS_[A-Z0-9_]+\b/g) ?? [])
  expect(new Set(named).size).toBeGreaterThan(10)
  // Those of failpoints belong to kata-ts itself (`src/ledger`), and the commit is put into it when it is built.
  const missing = [...new Set(named)].filter(
    (name) => !/^KATA_TS_(FAILPOINTS|COMMIT$)/.test(name) && !readme.includes(`\`${name}\``),
  )
  expect(missing).toEqual([])
})
