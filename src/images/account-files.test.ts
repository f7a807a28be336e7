import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeWhiteout, setXattr } from '../linux/files/inode.ts'
import { readAccountFiles, readInImage } from './account-files.ts'

const isRoot = process.getuid?.() === 0
let base: string
let layers: string[]
beforeEach(() => {
  base = mkdtempSync('/var/tmp/kata-ts-accounts-')
  layers = ['top', 'bottom'].map((name) => join(base, name))
  for (const layer of layers) mkdirSync(`${layer}/etc`, { recursive: true })
})
afterEach(() => rmSync(base, { recursive: true }))
const write = (layer: number, path: string, text: string) => writeFileSync(join(layers[layer]!, path), text)

test('the topmost file counts', () => {
  write(0, 'etc/passwd', 'top')
  write(1, 'etc/passwd', 'bottom')
  write(1, 'etc/group', 'bottom')
  expect(readAccountFiles(layers)).toEqual({ passwd: 'top', group: 'bottom' })
})

test.skipIf(!isRoot)(
  'a whiteout, an opaque directory and a file in a directory’s place hide what is below',
  () => {
    for (const path of ['etc/passwd', 'etc/group']) write(1, path, 'bottom')
    makeWhiteout(`${layers[0]}/etc/passwd`)
    expect(readAccountFiles(layers)).toEqual({ passwd: undefined, group: 'bottom' })
    setXattr(`${layers[0]}/etc`, 'trusted.overlay.opaque', Buffer.from('y'))
    expect(readAccountFiles(layers).group).toBeUndefined()
    rmSync(`${layers[0]}/etc`, { recursive: true })
    write(0, 'etc', 'a file')
    expect(readAccountFiles(layers).group).toBeUndefined()
  },
)

test('a file between two directories hides the one below it', () => {
  const [top = '', bottom = ''] = layers
  const middle = `${base}/middle`
  mkdirSync(middle)
  writeFileSync(`${middle}/etc`, 'a file')
  write(0, 'etc/passwd', 'top')
  write(1, 'etc/group', 'bottom')
  expect(readAccountFiles([top, bottom])).toEqual({ passwd: 'top', group: 'bottom' })
  expect(readAccountFiles([top, middle, bottom])).toEqual({ passwd: 'top', group: undefined })
})

test('symlinks stay in the image: absolute, relative, upwards, into another layer', () => {
  mkdirSync(`${layers[1]}/usr/lib`, { recursive: true })
  write(1, 'usr/lib/passwd', 'image')
  symlinkSync('/usr/lib/passwd', `${layers[0]}/etc/passwd`)
  symlinkSync('../../../../../usr/lib/passwd', `${layers[0]}/etc/group`)
  expect(readAccountFiles(layers)).toEqual({ passwd: 'image', group: 'image' })
  symlinkSync('/etc', `${layers[0]}/link`)
  expect(readInImage(layers, '/link/passwd')).toBe('image')
  symlinkSync('/etc/shadow', `${layers[0]}/shadow`)
  expect(readInImage(layers, '/shadow')).toBeUndefined()
})

test('a way up and down that is too long leads nowhere: who wrote it would have root look for hours', () => {
  write(1, 'etc/far', 'far')
  const upAndDown = (times: number) => `${'../etc/'.repeat(times)}far`
  symlinkSync(upAndDown(50), `${layers[0]}/etc/passwd`)
  symlinkSync(upAndDown(65), `${layers[0]}/etc/group`)
  expect(readAccountFiles(layers)).toEqual({ passwd: 'far', group: undefined })
})

test('a directory that a guest swaps for a link meanwhile never leads out of the layer', async () => {
  mkdirSync(`${base}/host`)
  writeFileSync(`${base}/host/passwd`, 'of the host')
  write(0, 'etc/passwd', 'of the image')
  // One process: what a shell starts would go on in the directory once the shell is killed.
  const swap = 'rename "etc", "aside"; symlink "../host", "etc"; unlink "etc"; rename "aside", "etc"'
  const swapper = Bun.spawn(['/usr/bin/perl', '-e', `while (1) { ${swap} }`], {
    cwd: layers[0]!,
    stdio: ['ignore', 'ignore', 'ignore'],
  })
  const [seen, control] = [new Set<string | undefined>(), new Set<string>()]
  try {
    // On a busy host it may be a while until it has its first turn.
    const isSeen = () => control.has('of the host') && seen.has('of the image')
    const isEnough = (tries: number) => tries >= (isSeen() ? 2000 : 100_000)
    for (let tries = 0; !isEnough(tries); tries++) {
      seen.add(readInImage(layers.slice(0, 1), '/etc/passwd'))
      // The positive control: a path is followed there.
      control.add(readOr(`${layers[0]}/etc/passwd`))
      if (tries % 100 === 0) await Bun.sleep(1)
    }
  } finally {
    swapper.kill('SIGKILL')
    await swapper.exited
  }
  expect(control).toContain('of the host')
  expect(seen).toContain('of the image')
  expect(seen).not.toContain('of the host')
})

function readOr(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

test('a loop, a FIFO and a directory are nothing to read', () => {
  symlinkSync('b', `${layers[0]}/a`)
  symlinkSync('a', `${layers[0]}/b`)
  Bun.spawnSync(['mkfifo', `${layers[0]}/pipe`])
  for (const path of ['/a', '/pipe', '/etc', '/none/x']) expect(readInImage(layers, path)).toBeUndefined()
})
