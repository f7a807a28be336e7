import { afterAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { moduleArchive } from '../../guest-image/modules/archive.ts'
import { moduleBringer } from './brought-modules.ts'

const dir = mkdtempSync(join(tmpdir(), 'kata-brought-'))
afterAll(() => rmSync(dir, { recursive: true }))

const archive = join(dir, 'modules')
const packed = (bytes: number) => Buffer.concat([Buffer.from('fd377a585a00', 'hex'), Buffer.alloc(bytes)])
const modules = [
  { name: 'erofs', bytes: 10 },
  { name: 'xfs', bytes: 1_200_000 },
].map(({ name, bytes }) => {
  const file = join(dir, `${name}.ko.xz`)
  writeFileSync(file, packed(bytes))
  return { name, depends: [], aliases: [], file, data: new Uint8Array() }
})
writeFileSync(archive, moduleArchive(modules, new Set(['erofs', 'xfs'])))

test('what a guest needs is copied once, in pieces, and what it had stays', async () => {
  const copied: string[] = []
  let text = ''
  const { bring } = moduleBringer(
    {
      async copyFile({ path, offset, fileSize, data }) {
        text = (offset === 0n ? '' : text) + Buffer.from(data!).toString('latin1')
        if (BigInt(text.length) !== fileSize) return {}
        copied.push(`${path} ${/^(m .*\n)+/m.exec(text)![0].replaceAll(/ \d.*/g, '').trim().split('\n')}`)
        return {}
      },
    },
    archive,
  )
  await bring(['ext4', 'bind', ''])
  expect(copied).toEqual([])
  await Promise.all([bring(['erofs', 'overlay']), bring(['erofs']), bring(['xfs'])])
  await bring(['xfs', 'erofs', 'ext4'])
  const path = '/run/kata-containers/shared/containers/.kernel-modules'
  expect(copied).toEqual([`${path} m erofs`, `${path} m erofs,m xfs`])
})
