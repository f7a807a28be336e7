import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { mount, unmountBelow } from './mount.ts'
import { removeTree } from './remove-tree.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(`${tmpdir()}/remove-`)
})
afterEach(() => {
  unmountBelow(directory)
  rmSync(directory, { recursive: true })
})

describe('removeTree', () => {
  test('removes files, symlinks, sockets and directories, and follows nothing', () => {
    mkdirSync(`${directory}/tree/a/b`, { recursive: true })
    writeFileSync(`${directory}/kept`, '')
    writeFileSync(`${directory}/tree/a/b/file`, '')
    symlinkSync(directory, `${directory}/tree/a/up`)
    removeTree(`${directory}/tree`)
    expect(readdirSync(directory)).toEqual(['kept'])
    removeTree(`${directory}/tree`)
  })

  test('stops at another file system and leaves what is there', () => {
    mkdirSync(`${directory}/tree/mounted`, { recursive: true })
    mount({ source: 'none', target: `${directory}/tree/mounted`, type: 'tmpfs' })
    writeFileSync(`${directory}/tree/mounted/data`, '')
    expect(() => removeTree(`${directory}/tree`)).toThrow('EXDEV')
    expect(existsSync(`${directory}/tree/mounted/data`)).toBe(true)
  })

  test('does not enter a symlink in place of the directory', () => {
    mkdirSync(`${directory}/target`)
    writeFileSync(`${directory}/target/data`, '')
    symlinkSync('target', `${directory}/tree`)
    expect(() => removeTree(`${directory}/tree`)).toThrow('ENOTDIR')
    expect(readdirSync(`${directory}/target`)).toEqual(['data'])
  })
})
