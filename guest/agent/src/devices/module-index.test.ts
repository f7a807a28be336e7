import { describe, expect, test } from 'bun:test'
import { headerLength, indexLength, loadPlan, requestedModule, resolveModules } from './module-index.ts'

const index = [
  'd x_tables 0 10 x_tables',
  'm ip_tables 10 20 x_tables ip_tables',
  'm xt_nat 30 5 x_tables xt_nat',
  'm mlx5_core 35 7 mlx5_core',
  'm aes_ti 42 3 aes_ti',
  'm aesni_intel 45 3 aesni_intel',
  'a ipt_DNAT xt_nat',
  'a crypto_aes aes_ti aesni_intel',
  'p pci:v000015B3d0000101Esv*sd*bc*sc*i* mlx5_core',
  'p block_major_7_* xt_nat',
]
  .map((line) => `${line}\n`)
  .join('')

describe('what the kernel asks for', () => {
  test.each([
    ['ip_tables', ['ip_tables']],
    ['ip-tables', ['ip_tables']],
    ['ipt_DNAT', ['xt_nat']],
    ['crypto-aes', ['aes_ti', 'aesni_intel']],
    ['block-major-7-0', ['xt_nat']],
    ['pci:v000015B3d0000101Esv00001014sd0000041Ebc02sc00i00', ['mlx5_core']],
  ])('%s', (request, modules) => {
    expect(resolveModules(index, request)).toEqual(modules)
  })

  test.each([
    ['what others need', 'x_tables'],
    ['another case', 'ipt_dnat'],
    ['a part of an alias', 'ipt_DNA'],
    ['nothing', ''],
    ['a blank', 'ip_tables 10'],
    ['the end of a line', 'x_tables 0 10 x_tables\nm ip_tables'],
    ['another line of the index', 'DNAT\nm'],
    ['a path', '../../etc/passwd'],
    ['an absolute path', '/run/evil.ko'],
    ['a pattern', 'ip*'],
    ['all', '*'],
    ['a pattern of the index', 'pci:v000015B3d0000101Esv*'],
    ['a NUL', 'ip_tables\0'],
    ['other letters', 'ip_tàbles'],
    ['what no buffer of the kernel holds', 'a'.repeat(65)],
    ['the end of a pattern alone', 'block-major-7'],
    ['another device', 'pci:v000015B3d0000101Fsv00001014sd0000041Ebc02sc00i00'],
    ['parts in another order', 'pci:v000015B3d0000101Esvisdbcsc'],
  ])('gives nothing for %s', (_, request) => {
    expect(resolveModules(index, request)).toEqual([])
  })

  test('any text gives listed modules or none, at once', () => {
    const letters = 'aips_-* \n0:vt'
    let seed = 7
    const random = (below: number) => {
      seed = (seed * 48_271) % 2_147_483_647
      return seed % below
    }
    for (let round = 0; round < 2000; round++) {
      const request = Array.from({ length: random(80) }, () => letters[random(letters.length)]).join('')
      for (const name of resolveModules(index, request)) expect(loadPlan(index, name)).toBeDefined()
    }
  })
})

describe('what is loaded', () => {
  test('comes after what it needs, each with its place in the archive', () => {
    const start = headerLength + index.length
    expect(loadPlan(index, 'ip_tables')).toEqual([
      { name: 'x_tables', offset: start, size: 10 },
      { name: 'ip_tables', offset: start + 10, size: 20 },
    ])
  })

  test('is never what only others need, by itself', () => {
    expect(loadPlan(index, 'x_tables')).toBeUndefined()
    expect(loadPlan(index, 'none')).toBeUndefined()
  })
})

test('the first line tells how long the index is', () => {
  expect(indexLength('kata-ts-modules 1 0000081260\n')).toBe(81_260)
  for (const other of ['', 'kata-ts-modules 2 0000081260\n', `kata-ts-modules 1 -000081260\n`])
    expect(() => indexLength(other)).toThrow('of another form')
})

test('the kernel starts the program for a module with three words, and the agent with others', () => {
  expect(requestedModule(['/init', '-q', '--', 'fs-xfs'])).toBe('fs-xfs')
  expect(requestedModule(['/init', '-q', '--', ''])).toBe('')
  for (const argv of [
    ['/init'],
    ['/init', '-q', '--'],
    ['/init', '-q', '--', 'a', 'b'],
    ['/init', 'quiet', '--', 'a'],
  ])
    expect(requestedModule(argv)).toBeUndefined()
})
