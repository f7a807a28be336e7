import { afterAll, beforeAll, expect, test } from 'bun:test'
import { chmodSync, copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { askProgram } from './ask-program.ts'

let directory: string
beforeAll(() => {
  // Closed to everybody but root, as a program's directory may be.
  directory = mkdtempSync(`${tmpdir()}/ask-`)
  copyFileSync('/usr/bin/perl', `${directory}/perl`)
  chmodSync(`${directory}/perl`, 0o755)
})
afterAll(() => rmSync(directory, { recursive: true }))

const perl = (code: string) => askProgram([`${directory}/perl`, '-e', code])

test('a program that is asked something is nobody, and can do nothing', async () => {
  const status = 'open F, "<", "/proc/self/status"; print grep { /^(Uid|Gid|Groups|Cap|NoNewPrivs)/ } <F>'
  const { code, stdout } = await perl(status)
  const none = '0000000000000000'
  const four = Array(4).fill(65534).join('\t')
  expect([code, ...stdout.trim().split('\n')]).toEqual([
    ...[0, `Uid:\t${four}`, `Gid:\t${four}`, 'Groups:\t '],
    ...['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'].map((set) => `${set}:\t${none}`),
    'NoNewPrivs:\t1',
  ])
})

test('what it says and how it ends comes back, and it gets nothing of our environment', async () => {
  expect(await perl('print scalar(keys %ENV); print STDERR "err"; exit 3')).toEqual({
    code: 3,
    stdout: '0',
    stderr: 'err',
  })
  await expect(askProgram(['/nonexistent'])).rejects.toThrow('ENOENT')
})

test('it has a session of its own: no terminal of root’s to read or to type at', async () => {
  const session = 'open F, "<", "/proc/self/stat"; print((split " ", <F>)[5] == $$ ? "own" : "shared")'
  expect((await perl(session)).stdout).toBe('own')
})
