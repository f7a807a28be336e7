import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { CopyFileRequest } from '../../../../src/protocol/generated/agent.ts'
import { loadOnHost } from '../system/on-host.double.ts'

type Module = typeof import('./received-files.ts')

const base = mkdtempSync(`${tmpdir()}/received-`)
const root = `${base}/containers`
const volume = `${root}/volume`
let receive: Module['receiveFile']
beforeAll(async () => {
  receive = (await loadOnHost<Module>('storage/received-files.ts', root)).module.receiveFile
})
beforeEach(() => {
  rmSync(root, { recursive: true, force: true })
  mkdirSync(root, { recursive: true })
})
afterAll(() => rmSync(base, { recursive: true }))

const types = { directory: 0o040000, file: 0o100000, link: 0o120000 }
const ids = { uid: process.getuid!(), gid: process.getgid!() }

/** Sends an entry as the host does. */
function send(name: string, type: number, content = '', mode = 0o644): void {
  const data = Buffer.from(content)
  receive(
    CopyFileRequest.fromPartial({
      path: `${volume}/${name}`,
      fileMode: type | mode,
      dirMode: 0o755,
      ...ids,
      fileSize: BigInt(data.length),
      offset: 0n,
      data,
    }),
  )
}

/** A version as kubelet's atomic writer makes it, in its order. */
function sendVersion(version: string, keys: Record<string, string>): void {
  send(version, types.directory, '', 0o755)
  for (const [key, text] of Object.entries(keys)) send(`${version}/${key}`, types.file, text)
  send('..data', types.link, version)
  for (const key of Object.keys(keys)) send(key, types.link, `..data/${key}`)
}

describe('a volume that kubelet writes', () => {
  test('has keys of every length that Kubernetes allows', () => {
    const keys = { ['k'.repeat(253)]: 'long', ['k'.repeat(252)]: 'shorter' }
    sendVersion('..2026_1', keys)
    for (const [key, text] of Object.entries(keys))
      expect(readFileSync(`${volume}/${key}`, 'utf8')).toBe(text)
    expect(readdirSync(volume).sort()).toEqual(['..2026_1', '..data', ...Object.keys(keys)].sort())
  })

  test('has one version after the other: the old one goes, and links to keys that the new one lacks', () => {
    sendVersion('..2026_1', { color: 'red', size: 'large' })
    expect(readFileSync(`${volume}/color`, 'utf8')).toBe('red')
    sendVersion('..2026_2', { color: 'blue' })
    expect(readdirSync(volume).sort()).toEqual(['..2026_2', '..data', 'color'])
    expect(readFileSync(`${volume}/color`, 'utf8')).toBe('blue')
    expect(readlinkSync(`${volume}/..data`)).toBe('..2026_2')
  })

  test('keeps its version when the same link is sent again', () => {
    sendVersion('..2026_1', { color: 'red' })
    send('..data', types.link, '..2026_1')
    expect(readdirSync(volume).sort()).toEqual(['..2026_1', '..data', 'color'])
  })

  test('loses an old version with all that a container has put into it, and nothing that its links lead to', () => {
    writeFileSync(`${base}/outside`, 'stays')
    sendVersion('..2026_1', { color: 'red' })
    mkdirSync(`${volume}/..2026_1/deep/deeper`, { recursive: true })
    send('..2026_1/deep/link', types.link, `${base}/outside`)
    sendVersion('..2026_2', { color: 'blue' })
    expect(existsSync(`${volume}/..2026_1`)).toBe(false)
    expect(readFileSync(`${base}/outside`, 'utf8')).toBe('stays')
  })

  test('removes no directory that is no version, wherever the link led', () => {
    mkdirSync(`${volume}/mine`, { recursive: true })
    writeFileSync(`${base}/outside`, 'stays')
    for (const before of ['mine', '../..', '..', base]) {
      send('..data', types.link, before)
      sendVersion('..2026_2', { color: 'blue' })
    }
    expect(existsSync(`${volume}/mine`)).toBe(true)
    expect(readFileSync(`${base}/outside`, 'utf8')).toBe('stays')
  })

  test('keeps links that lead elsewhere, and a container’s own files', () => {
    sendVersion('..2026_1', { color: 'red' })
    send('elsewhere', types.link, '/absent')
    send('own', types.file, 'mine')
    sendVersion('..2026_2', {})
    expect(readdirSync(volume).sort()).toEqual(['..2026_2', '..data', 'elsewhere', 'own'])
  })
})

test('another link of a version is a link like any other: nothing is removed after it', () => {
  sendVersion('..2026_1', { color: 'red' })
  send('nested', types.directory, '', 0o755)
  send('nested/data', types.link, '..2026_1')
  send('nested/data', types.link, '..2026_2')
  expect(readdirSync(volume).sort()).toEqual(['..2026_1', '..data', 'color', 'nested'])
})

test('a file has the mode and the owner that were sent, and is not seen before it is complete', () => {
  const piece = (offset: bigint, text: string) =>
    receive(
      CopyFileRequest.fromPartial({
        path: `${volume}/key`,
        fileMode: types.file | 0o640,
        dirMode: 0o750,
        ...ids,
        fileSize: 6n,
        offset,
        data: Buffer.from(text),
      }),
    )
  piece(0n, 'abc')
  expect(existsSync(`${volume}/key`)).toBe(false)
  piece(3n, 'def')
  expect(readFileSync(`${volume}/key`, 'utf8')).toBe('abcdef')
  expect([`${volume}/key`, volume].map((path) => statSync(path).mode & 0o7777)).toEqual([0o640, 0o750])
})

test.each([
  ['above the share', '/etc/passwd', 'is not below'],
  ['beside the share', `${root}-other/key`, 'is not below'],
  ['with dots in it', `${root}/a/../../x`, 'is not a plain path'],
  ['that is the share itself', `${root}/`, 'names no file'],
])('a path %s is refused', (_what, path, reason) => {
  const request = CopyFileRequest.fromPartial({ path, fileMode: types.file | 0o644, ...ids })
  expect(() => receive(request)).toThrow(`${path} ${reason}`)
  expect(readdirSync(root)).toEqual([])
})

test.each<[string, bigint, bigint]>([
  ['before its file', -1n, 20n],
  ['behind the end of its file', 11n, 20n],
  ['of a file of less than nothing', 0n, -1n],
])('a piece %s is refused', (_what, offset, fileSize) => {
  const piece = {
    path: `${volume}/key`,
    fileMode: types.file | 0o644,
    fileSize,
    offset,
    data: Buffer.alloc(10),
  }
  expect(() => receive(CopyFileRequest.fromPartial({ ...piece, ...ids }))).toThrow('is outside the file')
  expect(existsSync(`${volume}/key`)).toBe(false)
})

test('a file keeps the set-id bits of its mode, which a change of its owner would take', () => {
  send('program', types.file, 'x', 0o6755)
  expect(statSync(`${volume}/program`).mode & 0o7777).toBe(0o6755)
})

test('a link that a container has put in the place of a file that is coming is not followed', () => {
  mkdirSync(volume)
  writeFileSync(`${root}/victim`, 'untouched')
  symlinkSync('../victim', `${volume}/.large.part`)
  const piece = { fileMode: types.file, fileSize: 20n, offset: 10n, data: Buffer.alloc(10) }
  expect(() => receive(CopyFileRequest.fromPartial({ path: `${volume}/large`, ...piece }))).toThrow('ELOOP')
  expect(readFileSync(`${root}/victim`, 'utf8')).toBe('untouched')
})

test('a pipe that a container has put in the place of a file that is coming holds up nobody', () => {
  mkdirSync(volume)
  expect(Bun.spawnSync(['mkfifo', `${volume}/.large.part`]).exitCode).toBe(0)
  const piece = { fileMode: types.file, fileSize: 20n, offset: 10n, data: Buffer.alloc(10) }
  const request = CopyFileRequest.fromPartial({ path: `${volume}/large`, ...piece })
  expect(() => receive(request)).toThrow('ENXIO')
})
