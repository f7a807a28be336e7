import { expect, test } from 'bun:test'
import type { ShareDaemon } from '../../sharing/virtiofsd/share-daemon.ts'
import { shareAttachments, shareDevices } from './share-attachments.ts'
import type { ServedShare, ShareDevice } from './start-share.ts'

const device = (tag: string, socket: number): ShareDevice => ({
  tag,
  guestPath: `/${tag}`,
  daemon: { socketPath: `/sockets/${tag}`, connect: () => socket } as ShareDaemon,
})
const served = (volumes?: ShareDevice) => ({ first: device('one', 7), volumes }) as ServedShare

test('a VMM gets a descriptor of each share, and ours is told for closing', () => {
  const closed: number[] = []
  const attached = shareAttachments(served(device('two', 8)), { share: 'descriptor' }, 512, (fd) =>
    closed.push(fd),
  )
  expect(attached).toEqual({
    share: { tag: 'one', socket: 7, queueSize: 512 },
    volumeShare: { tag: 'two', socket: 8, queueSize: 512 },
  })
  expect(closed).toEqual([7, 8])
})

test('one that connects by itself gets the paths, and nothing is to be closed', () => {
  const attached = shareAttachments(served(device('two', 8)), { share: 'path' }, 512, () => {
    throw new Error('nothing was opened')
  })
  expect([attached.share?.socket, attached.volumeShare?.socket]).toEqual(['/sockets/one', '/sockets/two'])
})

test('without volumes there is one, without a shared file system none', () => {
  expect(Object.keys(shareAttachments(served(), { share: 'path' }, 512, () => {}))).toEqual(['share'])
  expect(shareAttachments(undefined, { share: 'none' }, 512, () => {})).toEqual({})
  expect(shareDevices(served()).map(({ tag }) => tag)).toEqual(['one'])
  expect(shareDevices(undefined)).toEqual([])
})
