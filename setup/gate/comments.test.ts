/** What CONTRIBUTING.md says of comments, as far as a program can see it. */
import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { root } from '../paths.ts'

/** Sources, without tests and without the drivers of VMMs, whose recorded results are of their present text. */
const sources = [...new Bun.Glob('{src,guest,setup,bench,lab,e2e}/**/*.{ts,proto}').scanSync(root)].filter(
  (path) => !/^src\/vmm\/|\.test\.ts$/.test(path),
)

test('a comment begins with its subject, not with "Of"', () => {
  const begun = sources.flatMap((path) =>
    readFileSync(`${root}/${path}`, 'utf8')
      .split('\n')
      .filter((line) => /^\s*(\/\*\*|\/\/) Of /.test(line))
      .map((line) => `${path}: ${line.trim()}`),
  )
  expect(sources.length).toBeGreaterThan(1000)
  expect(begun).toEqual([])
})
