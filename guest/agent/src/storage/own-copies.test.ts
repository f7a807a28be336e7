import { expect, test } from 'bun:test'
import { ownCopies } from './own-copies.ts'

const share = '/run/kata-containers/shared/containers'
const hosts = `${share}/web-0123456789abcdef-hosts`
const mounts = [
  'rootfs / rootfs rw 0 0',
  'tmpfs /run tmpfs rw 0 0',
  'tmpfs /run/kata-containers/shared tmpfs rw 0 0',
  `/dev/vdb ${share}/web ext4 rw 0 0`,
  '',
].join('\n')

test('copies that were made for the container are its own', () => {
  expect(ownCopies('web', ['proc', '/proc', hosts, `${share}/web/rootfs`], mounts)).toEqual([hosts])
})

test.each([
  ['another container’s', `${share}/web2-0123456789abcdef-hosts`],
  ['what the whole pod has', `${share}/.scratch-0123456789abcdef-work`],
  ['what lies in a copy', `${hosts}/..`],
  ['what is not below the share', '/run/kata-containers/web-0123456789abcdef-hosts'],
  ['a name without the random part', `${share}/web-hosts`],
])('%s is not', (_what, source) => {
  expect(ownCopies('web', [source], mounts)).toEqual([])
})

test.each([
  ['the directory', `kataShared ${share} virtiofs rw 0 0`],
  ['one above it', 'none /run/kata-containers/shared virtiofs rw 0 0'],
  ['the file', `none ${hosts} tmpfs rw 0 0`],
])('nothing is where something is mounted on %s: it may be the host’s', (_what, line) => {
  expect(ownCopies('web', [hosts], `${mounts}${line}\n`)).toEqual([])
})
