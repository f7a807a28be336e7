import { expect, test } from 'bun:test'
import { compileEach, compileRows } from './rows.ts'
import { compileTemplate } from './template.ts'

const value = {
  ID: 'web',
  State: { Status: 'running', ExitCode: 0, Health: null },
  Args: ['-f', '-h', '/www'],
  Empty: {},
  Labels: { app: 'a', tier: 'front end' },
  Map: Object.assign(Object.create(null), { key: 'k' }),
  Mounts: [
    { Source: '/a', RW: true },
    { Source: '/b', RW: false },
  ],
  Label: (name: unknown) => ({ app: 'a' })[String(name)] ?? '',
}

test.each([
  ['{{.ID}}: {{ .State.Status }}', 'web: running'],
  ['plain', 'plain'],
  ['{{.Map.key}}{{.Map.other}}', 'k'],
  ['{{.State.ExitCode}} {{.Args}} {{.Labels}}', '0 [-f -h /www] map[app:a tier:front end]'],
  ['{{json .Args}}', '["-f","-h","/www"]'],
  ['{{.Labels | json}}', '{"app":"a","tier":"front end"}'],
  ['{{join .Args ","}}', '-f,-h,/www'],
  ['{{index .Labels "app"}}{{index .Labels "none"}}{{index .Args 2}}', 'a/www'],
  ['{{(index .Mounts 1).Source}}', '/b'],
  ['{{range .Mounts}}{{.Source}} {{end}}', '/a /b '],
  ['{{range.Mounts}}{{with.Source}}{{.}} {{end}}{{end}}', '/a /b '],
  ['{{range $i, $m := .Mounts}}{{$i}}={{$m.Source}} {{$.ID}};{{end}}', '0=/a web;1=/b web;'],
  ['{{range $key, $value := .Labels}}{{$key}}={{$value}},{{end}}', 'app=a,tier=front end,'],
  ['{{range .Mounts}}{{if .RW}}rw{{else}}ro{{end}} {{end}}', 'rw ro '],
  ['{{range .State.Health}}x{{else}}none{{end}}', 'none'],
  ['{{if eq .State.Status "paused" "running"}}up{{else if .ID}}down{{end}}', 'up'],
  ['{{if not .State.ExitCode}}fine{{end}}', 'fine'],
  ['{{if and .ID (gt (len .Args) 2)}}long{{end}}', 'long'],
  ['{{if and .State.Health .ID}}checked{{else}}not checked{{end}}', 'not checked'],
  ['{{and .ID .State.ExitCode "more"}} {{or .State.Health .State.ExitCode}}', '0 0'],
  ['{{with .State}}{{.Status}}{{end}}', 'running'],
  ['{{.Label "app"}}{{.Label "none"}}', 'a'],
  ['{{upper .ID}} {{.ID | upper | lower}} {{title "two words"}}', 'WEB web Two Words'],
  ['{{println .ID}}', 'web\n'],
  ['a {{- .ID -}} b', 'awebb'],
  ['{{/* nothing */}}{{`raw "text"`}}{{"\\t"}}', 'raw "text"\t'],
  ['{{"{{"}}{{.ID}}{{"}}"}}{{`}}"`}}', '{{web}}}}"'],
  ['{{/* it isn\'t "so */}}{{- /* `}} */ -}}{{"\\"}}"}}', '"}}'],
  ['{{if eq .ID "}}"}}a{{else}}"{{end}}', '"'],
  ['{{.State.Health}}', '<no value>'],
  ['{{json .State.Health}}', 'null'],
])('%s is %j', (template, text) => {
  expect(compileTemplate(template).render(value)).toBe(text)
})

test('a newline may stand in quotes, where it separates what is in a list', () => {
  expect(compileEach('{{join .Args "\\n"}}')(value)).toBe('-f\n-h\n/www\n')
  expect(compileEach('{{range .Mounts}}{{.Source}}{{"\\n"}}{{end}}')(value)).toBe('/a\n/b\n\n')
  const rows = compileRows('{{.ID}}{{"\\n\\t"}}x', { titles: value, usual: '' })
  expect(rows([value])).toBe('web\n\tx\n')
})

test('control bytes of foreign text do not reach the terminal', () => {
  expect(compileTemplate('{{.}}\t\n').render('\x1b[31mred')).toBe('?[31mred\t\n')
})

test.each([
  ['{{.ID', 'no closing braces'],
  ['{{"}}', 'a quoted text has no end'],
  ['{{/* }}', 'cannot be read'],
  ['{{}}', 'an action is empty'],
  ['{{if .ID}}x', 'if has no end'],
  ['{{range .Mounts}}x{{else}}y', 'range has no end'],
  ['x{{end}}', 'no block that end belongs to'],
  ['{{printf "%s" .ID}}', 'no function printf; there are json'],
  ['{{template "x"}}', 'no function template'],
  ['{{$x := 1}}', '":= 1" cannot be read'],
  ['{{.ID |}}', 'a value is missing'],
  ['{{(.ID}}', 'parenthesis is not closed'],
  ['{{.ID)}}', 'means nothing here'],
  ['{{.Nmae}}', 'no field Nmae; there are ID, State'],
  ['{{.Empty.Name}}', 'no field Name. docs'],
  ['{{.ID.Length}}', 'no field Length'],
  ['{{.constructor}}', 'no field constructor'],
  ['{{.__proto__}}', 'no field __proto__'],
  ['{{$x}}', 'no variable $x'],
  ['{{index .Args 7}}', 'no place 7'],
  ['{{.ID "a"}}', 'takes no arguments'],
  ['{{range .ID}}x{{end}}', 'nothing to range over'],
  ['{{lt .ID 1}}', 'compares two'],
  [`${'{{if .ID}}'.repeat(1000)}`, 'too many blocks'],
  [`{{${'('.repeat(1000)}}}`, 'too many parentheses'],
])('%s is refused', (template, reason) => {
  expect(() => compileTemplate(template).render(value)).toThrow(/^\[TEMPLATE_INVALID\]/)
  expect(() => compileTemplate(template).render(value)).toThrow(reason)
})

const letters = 'abcdefghijklmno'
const row = Object.fromEntries([...letters].map((name) => [name, `value of ${name}`]))
const within = (count: number, block: string, inner: string) =>
  block.repeat(count) + inner + '{{end}}'.repeat(count)

test.each([
  ['lists within lists', within(50, '{{range $}}', 'x')],
  ['empty ones', within(50, '{{range $}}', '')],
  ['long texts', within(4, '{{range $}}', 'x'.repeat(4000))],
  ['texts that double', within(45, '{{with print . .}}', 'x')],
  ['texts in quotes', `{{with json .}}${within(45, '{{with json .}}', '{{len .}}')}{{end}}`],
  ['long separators', within(16, '{{with print . .}}', '{{join (split . "") .}}')],
  ['texts that are only compared', within(9, '{{range $}}', `{{if eq ${'$.a '.repeat(3000)}}}x{{end}}`)],
  ['many arguments', within(9, '{{range $}}', `{{and ${'1 '.repeat(3000)}}}`)],
  ['long ways', within(9, '{{range $}}', `{{$${'.a'.repeat(5000)}}}`.replace('.a', '.none'))],
  [
    'variables',
    `${[...Array(49).keys()].map((n) => `{{range $k${n}, $v${n} := $}}`).join('')}${'{{end}}'.repeat(49)}`,
  ],
])('a template has an end: %s', (_, template) => {
  const map = Object.assign(Object.create(null), { ...row, none: null })
  expect(() => compileTemplate(template).render(map)).toThrow(
    /TEMPLATE_INVALID.*it (takes more than 1000000 steps|makes more than 4194304 characters)/,
  )
})

test('the rows of a list have one budget, each list a new one, and titles are bounded without rows', () => {
  const rows = compileRows(within(4, '{{range .}}', 'x'), { titles: {}, usual: '' })
  const wide = Array(30).fill(Array(30).fill(Array(30).fill(Array(9).fill('x'))))
  expect(() => rows(Array(9).fill(wide))).toThrow('it takes more than 1000000 steps')
  expect(rows([wide]).length).toBe(30 ** 3 * 9 + 1)
  expect(rows([wide]).length).toBe(30 ** 3 * 9 + 1)
  expect(() => compileRows(within(9, '{{range $}}', 'x'), { titles: row, usual: '' })).toThrow('steps')
})

test('a table has a bound of cells', () => {
  const titles = { a: '\t'.repeat(600_000) }
  expect(() => compileRows('table {{.a}}', { titles, usual: '' })([{ a: titles.a }])).toThrow('steps')
})

test('a template that is longer than anybody writes is not read', () => {
  expect(() => compileTemplate('{{.ID}}'.repeat(3000))).toThrow('it has more than 16384 characters')
})
