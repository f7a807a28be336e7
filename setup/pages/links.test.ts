/** No page for people has a dead link to a file or heading of this repository, or a table that falls apart. */
import { expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { catalogue } from '../../src/errors/catalogue.ts'

const root = join(import.meta.dir, '../..')
const pages = ['*.md', 'docs/**/*.md', 'packaging/**/*.md'].flatMap((pattern) => [
  ...new Bun.Glob(pattern).scanSync(root),
])

/** The page without code, which may look like links. */
const prose = (page: string) =>
  readFileSync(join(root, page), 'utf8')
    .replace(/^```.*?^```/gms, '')
    .replace(/`[^`\n]*`/g, (code) => (/^`[\w./-]+`$/.test(code) ? code : ''))

/** A heading's anchor, as GitHub makes it. */
const anchor = (heading: string) =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .trim()
    .replaceAll(' ', '-')

function anchors(page: string): string[] {
  const headings = readFileSync(join(root, page), 'utf8').replace(/^```.*?^```/gms, '')
  return [...headings.matchAll(/^#+ (.+)$/gm)].map(([, heading]) => anchor(heading!))
}

/** What is wrong with a link of this page; undefined when it leads somewhere. */
function fault(page: string, link: string): string | undefined {
  if (/^[a-z]+:/.test(link)) return undefined
  const [path = '', fragment] = link.split('#')
  const target = path === '' ? page : relative(root, join(root, dirname(page), path))
  if (target.startsWith('..')) return `${link} leads out of the repository`
  if (!existsSync(join(root, target))) return `${link}: ${target} does not exist`
  if (fragment !== undefined && !anchors(target).includes(fragment))
    return `${link}: ${target} has no heading ${fragment}`
  return undefined
}

const linksOf = (text: string) => [...text.matchAll(/\[[^\]]*\]\(([^)\s]+)\)/g)].map(([, link]) => link!)

test.each(pages)('%s', (page) => {
  expect(linksOf(prose(page)).flatMap((link) => fault(page, link) ?? [])).toEqual([])
})

test('every page below docs is in the list of all pages', () => {
  const listed = linksOf(prose('docs/README.md')).map((link) => join('docs', link.split('#')[0]!))
  const below = pages.filter((page) => page.startsWith('docs/') && page !== 'docs/README.md')
  expect(below.length).toBeGreaterThan(20)
  expect(below.filter((page) => !listed.includes(page))).toEqual([])
})

/** Paths that a page names in code quotes: of our own directories, so that a moved file is noticed. */
const namedPaths = (text: string) =>
  [...text.matchAll(/`((?:src|e2e|setup|bench|guest|docs|packaging)\/[\w./-]+)`/g)].map(([, path]) => path!)

test.each(pages)('%s names paths that exist', (page) => {
  expect(namedPaths(prose(page)).filter((path) => !existsSync(join(root, path)))).toEqual([])
})

const codes = Object.keys(catalogue())
const rooms = new Set(codes.map((code) => code.split('_')[0]))
/** What looks like a code of ours; CONFIG_ begins options of the kernel too. */
const namedCodes = (text: string) =>
  [...text.matchAll(/`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)`/g)]
    .map(([, code]) => code!)
    .filter((code) => rooms.has(code.split('_')[0]) && !/^CONFIG_(IOMMUFD|VFIO)/.test(code))

test.each(pages)('%s names codes that exist', (page) => {
  const text = readFileSync(join(root, page), 'utf8')
  expect(namedCodes(text).filter((code) => !codes.includes(code))).toEqual([])
})

/** A row that goes on in the next line is two rows for a reader of Markdown, each of them cut. */
const brokenRows = (text: string) =>
  text
    .replace(/^ *```.*?^ *```/gms, '')
    .split('\n')
    .filter((line) => /^ *\|.*[^|\s]\s*$/.test(line))

test.each(pages)('%s has tables whose rows are one line each', (page) => {
  expect(brokenRows(readFileSync(join(root, page), 'utf8'))).toEqual([])
})

test('the search can fail', () => {
  expect(namedCodes('`VMM_NO_DISKS` and `KATA_TS_JAILER`')).toEqual(['VMM_NO_DISKS'])
  expect(brokenRows('| a | b\nc |\n| d | e |')).toEqual(['| a | b'])
  expect(pages.length).toBeGreaterThan(8)
  expect(fault('README.md', 'docs/nowhere.md')).toContain('does not exist')
  expect(fault('README.md', 'docs/errors.md#no_such_code')).toContain('no heading')
  expect(fault('README.md', 'docs/errors.md#config_type')).toBeUndefined()
  expect(linksOf('see [a](b.md) and [c](d#e)')).toEqual(['b.md', 'd#e'])
})
