import { afterAll, expect, setDefaultTimeout, test } from 'bun:test'
import { lstatSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FSGroupChangePolicy } from '../../../../src/protocol/generated/types.ts'
import { hasQuickjs, inQuickjs, sources } from '../system/in-quickjs.double.ts'
import { loadOnHost } from '../system/on-host.double.ts'

// A script is compiled first.
setDefaultTimeout(60_000)

const asRoot = test.skipIf(process.getuid?.() !== 0)
const top = mkdtempSync(join(tmpdir(), 'fs-group-'))
afterAll(() => rmSync(top, { recursive: true }))
const { module } = await loadOnHost<typeof import('./fs-group.ts')>('storage/fs-group.ts', join(top, 'share'))
const groupId = 1234
const always = { groupId, groupChangePolicy: FSGroupChangePolicy.ALWAYS }
const factsOf = (path: string) => {
  const { gid, mode } = lstatSync(join(top, path))
  return [gid, mode & 0o7777]
}

asRoot('directories and files get the group and its rights, links and what they lead to do not', async () => {
  mkdirSync(join(top, 'volume/deep'), { recursive: true, mode: 0o755 })
  writeFileSync(join(top, 'volume/deep/file'), '', { mode: 0o600 })
  writeFileSync(join(top, 'outside'), '', { mode: 0o600 })
  symlinkSync('../outside', join(top, 'volume/link'))
  await module.giveTreeToGroup(join(top, 'volume'), always, false)
  expect(factsOf('volume')).toEqual([groupId, 0o2775])
  expect(factsOf('volume/deep')).toEqual([groupId, 0o2775])
  expect(factsOf('volume/deep/file')).toEqual([groupId, 0o660])
  expect(factsOf('volume/link')[0]).toBe(0)
  expect(factsOf('outside')).toEqual([0, 0o600])
})

asRoot('a directory that becomes a link while it is walked leads nowhere else', async () => {
  mkdirSync(join(top, 'hostile/a/b'), { recursive: true })
  mkdirSync(join(top, 'agent/b'), { recursive: true })
  for (let index = 0; index < 1200; index++) writeFileSync(join(top, `hostile/a/${index}`), '')
  writeFileSync(join(top, 'agent/b/secret'), '', { mode: 0o600 })
  const given = module.giveTreeToGroup(join(top, 'hostile'), always, false)
  // It pauses among the files of the directory, whose others are still to come.
  renameSync(join(top, 'hostile/a'), join(top, 'hostile/moved'))
  symlinkSync('../agent', join(top, 'hostile/a'))
  await given
  expect(factsOf('agent/b')).toEqual([0, 0o755])
  expect(factsOf('agent/b/secret')).toEqual([0, 0o600])
})

asRoot('a volume that belongs to the group already is left alone where that is asked for', async () => {
  await module.giveTreeToGroup(join(top, 'volume'), always, false)
  writeFileSync(join(top, 'volume/later'), '', { mode: 0o600 })
  const onMismatch = { groupId, groupChangePolicy: FSGroupChangePolicy.ON_ROOT_MISMATCH }
  await module.giveTreeToGroup(join(top, 'volume'), onMismatch, false)
  expect(factsOf('volume/later')[1]).toBe(0o600)
  await expect(module.giveTreeToGroup(join(top, 'absent'), always, false)).rejects.toThrow(
    'absent cannot be looked at',
  )
})

test.skipIf(!hasQuickjs || process.getuid?.() !== 0)(
  'a file whose name is no UTF-8 gets the group, too',
  async () => {
    const file = Buffer.from(`${join(top, 'latin1')}/caf\xe9`, 'latin1')
    mkdirSync(join(top, 'latin1'))
    writeFileSync(file, '')
    await inQuickjs({
      imports: `import { giveTreeToGroup } from ${JSON.stringify(join(sources, 'storage/fs-group.ts'))}`,
      body: `await giveTreeToGroup(${JSON.stringify(join(top, 'latin1'))}, ${JSON.stringify(always)}, false)`,
    })
    expect(lstatSync(file).gid).toBe(groupId)
  },
)
