import { expect, test } from 'bun:test'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { archive } from './archive.ts'

test('equal files are equal bytes, whenever and in whichever order they were written', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'bundle-archive-'))
  try {
    const make = async (name: string, files: readonly string[]) => {
      const tree = join(directory, name)
      mkdirSync(join(tree, 'opt/a'), { recursive: true })
      for (const file of files) writeFileSync(join(tree, 'opt/a', file), file)
      chmodSync(join(tree, 'opt/a', files[0]!), name === 'one' ? 0o644 : 0o664)
      symlinkSync('x', join(tree, 'opt/a/link'))
      const file = join(directory, `${name}.tar.zst`)
      await archive(file, { tree, member: 'opt', epoch: 1_700_000_000 }, { env: process.env })
      return file
    }
    const one = await make('one', ['x', 'y', 'z'])
    const other = await make('other', ['z', 'y', 'x'])
    expect(readFileSync(one).equals(readFileSync(other))).toBe(true)
    const listed = Bun.spawnSync(['tar', '--zstd', '-tvf', one], {
      env: { TZ: 'UTC', PATH: process.env.PATH },
    })
    expect(listed.stdout.toString()).toContain('-rw-r--r-- 0/0               1 2023-11-14 22:13 opt/a/x\n')
  } finally {
    rmSync(directory, { recursive: true })
  }
}, 60_000)
