import { expect, test } from 'bun:test'
import { KataError } from '../../../errors.ts'
import { DiskNodes } from '../../host/disk-nodes.ts'
import type { DiskAttachment } from '../../machine/disk.ts'
import { Drives } from './drives.ts'

/** Nodes that are only told of. */
class ToldNodes extends DiskNodes {
  override during<T>({ id }: { id: string }, use: (path: string) => Promise<T>): Promise<T> {
    return use(`/drives/${id}`)
  }
  override again<T>(id: string, use: (path: string) => Promise<T>): Promise<T> {
    return use(`/drives/${id}`)
  }
  override resize(): void {}
}

function drives(refuse = false) {
  const said: [string, string][] = []
  const nodes = new ToldNodes({ pid: 1, uid: 1, directory: '/drives' })
  const patch = async (id: string, path: string) => {
    if (refuse) throw new KataError('VMM_COMMAND_FAILED', { command: 'drives', reason: 'no' })
    said.push([id, path])
  }
  return { said, drives: new Drives({ spec: {}, nodes, patch }) }
}

const disk = (id: string, readonly = false): DiskAttachment => ({
  id,
  name: id,
  fd: 7,
  kind: 'block',
  bus: 'virtio-mmio',
  direct: false,
  readonly,
})

test('a disk goes behind the first spare drive that can be written or not as it is, and leaves it empty', async () => {
  const { said, drives: of } = drives()
  expect(await of.plug(disk('a'))).toEqual({ driver: 'mmioblk', node: '/dev/vda' })
  expect(await of.plug(disk('b'))).toEqual({ driver: 'mmioblk', node: '/dev/vdb' })
  expect(await of.plug(disk('r', true))).toEqual({ driver: 'mmioblk', node: '/dev/vdi' })
  await of.unplug('a')
  expect(await of.plug(disk('c'))).toEqual({ driver: 'mmioblk', node: '/dev/vda' })
  await of.unplug('nothing')
  expect(said).toEqual([
    ['spare0', '/drives/a'],
    ['spare1', '/drives/b'],
    ['spare8', '/drives/r'],
    ['spare0', '/drives/empty'],
    ['spare0', '/drives/c'],
  ])
})

test('a disk that has grown is opened again behind its drive', async () => {
  const { said, drives: of } = drives()
  await expect(of.resize('a')).rejects.toThrow(/^\[VMM_OPTION_INVALID\].*no disk "a"/)
  await of.plug(disk('a'))
  await of.resize('a')
  expect(said).toEqual([
    ['spare0', '/drives/a'],
    ['spare0', '/drives/a'],
  ])
})

test('when all are taken the next one is told so, with what it is', async () => {
  const { drives: of } = drives()
  for (const id of ['r1', 'r2']) await of.plug(disk(id, true))
  await expect(of.plug(disk('r3', true))).rejects.toThrow(/^\[VMM_NO_FREE_DRIVE\].*r3: all 2/)
  expect(await of.plug(disk('a'))).toMatchObject({ node: '/dev/vda' })
})

test('one that is refused takes no drive', async () => {
  const { drives: of } = drives(true)
  for (let round = 0; round < 10; round++) await expect(of.plug(disk('a'))).rejects.toThrow('no')
})
