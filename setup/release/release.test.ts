import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../paths.ts'
import { releaseNotes } from './notes.ts'
import { sbom } from './sbom.ts'

const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))
const sources = [{ name: 'crun', version: '1:1.21-1', binaries: ['crun', 'libcrun'] }]
const facts = { version: '1.2.3', commit: 'abc', epoch: 1_700_000_000, lock, sources }

interface Component {
  readonly name: string
  readonly version: string
  readonly purl: string
  readonly hashes?: readonly { readonly content: string }[]
}

test('the bill of materials has what is compiled in, and the sources of the guest', () => {
  const { components, metadata, dependencies } = JSON.parse(sbom(facts)) as {
    components: Component[]
    metadata: { timestamp: string; component: { version: string } }
    dependencies: { dependsOn: string[] }[]
  }
  const { dependencies: direct } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  expect(components.map(({ name }) => name).sort()).toEqual([...Object.keys(direct), 'bun', 'crun'].sort())
  for (const { name, version, hashes } of components.filter(({ name }) => name in direct)) {
    expect(version).toBe(direct[name])
    expect(hashes?.[0]?.content).toMatch(/^[0-9a-f]{128}$/)
  }
  expect(components.at(-1)?.purl).toBe('pkg:deb/debian/crun@1%3A1.21-1?arch=source')
  expect(metadata).toMatchObject({ timestamp: '2023-11-14T22:13:20.000Z', component: { version: '1.2.3' } })
  expect(dependencies[0]?.dependsOn).toHaveLength(components.length)
  expect(sbom(facts)).toBe(sbom(facts))
})

test('notes are the section of the version, or what is unreleased', () => {
  const log = '# Changes\n\n## 1.1.0, 2026-01-01\n\n- b\n\n## 1.0.0\n\n- a\n'
  expect(releaseNotes(log, '1.1.0')).toBe('# kata-ts 1.1.0\n\n- b\n')
  const first = { since: undefined, titles: ['abc a: b', 'abd c: d'] }
  expect(releaseNotes(log, '1.1.0', first)).toEndWith('\n## Commits\n\nThe first release: 2 commits.\n')
  expect(releaseNotes(log, '1.1.0', { ...first, since: 'v1.0.0' })).toEndWith(
    '\n## Commits since v1.0.0\n\n- abc a: b\n- abd c: d\n',
  )
  const open = log.replace('## 1.1.0, 2026-01-01', '## Unreleased')
  expect(releaseNotes(open, '1.0.0')).toBe('# kata-ts 1.0.0, unreleased\n\n- b\n')
  expect(() => releaseNotes(log, '3.0.0')).toThrow('no section')
  expect(releaseNotes(readFileSync(join(root, 'CHANGELOG.md'), 'utf8'), '0.1.0')).toContain('\n- ')
})
