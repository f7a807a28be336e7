import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { mount, mountFlags, unmountBelow } from '../mounts/mount.ts'
import { makeDeepTree } from '../testing.ts'
import { removeTree } from './remove-tree.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(`${tmpdir()}/remove-`)
  // In memory: a disk takes its time over tens of thousands of directories.
  mount({ source: 'none', target: directory, type: 'tmpfs' })
})
afterEach(() => {
  unmountBelow(directory)
  rmdirSync(directory)
})

describe('removeTree', () => {
  test('removes files, symlinks, sockets and directories, and follows nothing', async () => {
    mkdirSync(`${directory}/tree/a/b`, { recursive: true })
    writeFileSync(`${directory}/kept`, '')
    writeFileSync(`${directory}/tree/a/b/file`, '')
    symlinkSync(directory, `${directory}/tree/a/up`)
    await removeTree(`${directory}/tree`)
    expect(readdirSync(directory)).toEqual(['kept'])
    await removeTree(`${directory}/tree`)
  })

  test('stops at another file system and leaves what is there', async () => {
    mkdirSync(`${directory}/tree/mounted`, { recursive: true })
    mount({ source: 'none', target: `${directory}/tree/mounted`, type: 'tmpfs' })
    writeFileSync(`${directory}/tree/mounted/data`, '')
    await expect(removeTree(`${directory}/tree`)).rejects.toThrow('EXDEV')
    expect(existsSync(`${directory}/tree/mounted/data`)).toBe(true)
  })

  test('does not enter a symlink in place of the directory', async () => {
    mkdirSync(`${directory}/target`)
    writeFileSync(`${directory}/target/data`, '')
    symlinkSync('target', `${directory}/tree`)
    await expect(removeTree(`${directory}/tree`)).rejects.toThrow('ENOTDIR')
    expect(readdirSync(`${directory}/target`)).toEqual(['data'])
  })

  test('does not empty what is mounted from the same file system', async () => {
    mkdirSync(`${directory}/tree/mounted`, { recursive: true })
    mkdirSync(`${directory}/kept`)
    writeFileSync(`${directory}/kept/data`, '')
    mount({ source: `${directory}/kept`, target: `${directory}/tree/mounted`, flags: mountFlags.bind })
    await expect(removeTree(`${directory}/tree`)).rejects.toThrow('EXDEV')
    expect(readdirSync(`${directory}/kept`)).toEqual(['data'])
  })

  test.each([7000, 30_000])(
    'removes a tree of %d levels, with few descriptors',
    async (depth) => {
      mkdirSync(`${directory}/kept`)
      writeFileSync(`${directory}/kept/data`, '')
      makeDeepTree(`${directory}/tree`, depth)
      symlinkSync(`${directory}/kept`, `${directory}/tree/link`)
      symlinkSync(`${directory}/kept`, `${directory}/tree${'/d'.repeat(900)}/link`)
      let most = 0
      const watch = setInterval(() => {
        most = Math.max(most, readdirSync('/proc/self/fd').length)
      }, 1)
      const before = readdirSync('/proc/self/fd').length
      await removeTree(`${directory}/tree`)
      clearInterval(watch)
      expect(readdirSync(directory)).toEqual(['kept'])
      expect(readdirSync(`${directory}/kept`)).toEqual(['data'])
      // The watch had its turns: the process is not deaf meanwhile.
      expect(most).toBeGreaterThan(0)
      expect(most).toBeLessThan(before + 100)
    },
    60_000,
  )

  test('removes a wide tree and names that are no text', async () => {
    mkdirSync(`${directory}/tree/wide`, { recursive: true })
    for (let index = 0; index < 5000; index++) writeFileSync(`${directory}/tree/wide/${index}`, '')
    writeFileSync(Buffer.concat([Buffer.from(`${directory}/tree/`), Buffer.from([0xff, 0xfe])]), '')
    await removeTree(`${directory}/tree`)
    expect(readdirSync(directory)).toEqual([])
  })

  test('two at once get along', async () => {
    makeDeepTree(`${directory}/tree`, 3000)
    await Promise.all([removeTree(`${directory}/tree`), removeTree(`${directory}/tree`)])
    expect(readdirSync(directory)).toEqual([])
  })

  test('an abort leaves the rest, and another call goes on', async () => {
    makeDeepTree(`${directory}/tree`, 7000)
    const abort = new AbortController()
    setTimeout(() => abort.abort(new Error('enough')), 1)
    await expect(removeTree(`${directory}/tree`, abort.signal)).rejects.toThrow('enough')
    expect(readdirSync(directory)).toEqual(['tree'])
    await removeTree(`${directory}/tree`)
    expect(readdirSync(directory)).toEqual([])
  })
})
