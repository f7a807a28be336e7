/** Read from outside: it is what ps(1) and our own tests find a shim by. */
import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { room } from './shown-words.ts'

const source = JSON.stringify(join(import.meta.dir, 'shown-words.ts'))
const show = (words: string) => `
  import { showWords } from ${source}
  const before = [...process.argv]
  showWords(${words})
  const { readFileSync } = require('node:fs')
  const same = Bun.deepEquals(before, process.argv)
  console.log(JSON.stringify({ shown: readFileSync('/proc/self/cmdline', 'utf8'), same, secret: process.env.SECRET }))`

function shown(words: string, ...args: string[]) {
  const { stdout } = Bun.spawnSync([process.execPath, '-e', show(words), ...args], {
    env: { SECRET: 'of the environment' },
    stderr: 'inherit',
  })
  return JSON.parse(stdout.toString()) as { shown: string; same: boolean; secret: string }
}

test('other words are shown, and process.argv stays', () => {
  const { shown: text, same } = shown(`['shim', '-id', 'web', '']`, room)
  expect(text).toStartWith('shim\0-id\0web\0\0\0')
  expect(text.replaceAll('\0', '')).toBe('shim-idweb')
  expect(same).toBe(true)
})

test('words without room are cut off, and the environment behind them is neither shown nor changed', () => {
  const { shown: text, secret } = shown(`['x'.repeat(100_000)]`)
  expect(text).toMatch(/^x+\0$/)
  expect(secret).toBe('of the environment')
})
