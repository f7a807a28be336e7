import { afterAll, expect, test } from 'bun:test'
import { closeSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { relative } from 'node:path'
import { makeFifo } from '../linux/files/fifo.ts'
import { openSource } from './source.ts'

const directory = mkdtempSync(`${tmpdir()}/kata-ts-source-`)
writeFileSync(`${directory}/file`, '')
makeFifo(`${directory}/fifo`)
afterAll(() => rmSync(directory, { recursive: true }))

test.each([
  ['directory', directory],
  ['file', `${directory}/file`],
] as const)('a %s of the host is a source', (kind, path) => {
  const source = openSource(path, 'c1')
  expect(source.kind).toBe(kind)
  closeSync(source.fd)
})

test.each([
  ['FIFO', `${directory}/fifo`],
  ['device', '/dev/null'],
])('a %s is none: it means nothing to another kernel', (kind, path) => {
  expect(() => openSource(path, 'c1')).toThrow(
    expect.objectContaining({ code: 'SHARE_SOURCE_KIND', fields: { source: path, container: 'c1', kind } }),
  )
})

test.each([relative(process.cwd(), directory), `${directory}\0/file`, ''])(
  '%j is no path of a source',
  (path) => {
    const reason = 'not an absolute path'
    expect(() => openSource(path, 'c1')).toThrow(
      expect.objectContaining({
        code: 'SHARE_SOURCE_MISSING',
        fields: { source: path, container: 'c1', reason },
      }),
    )
  },
)
