/** The making of a disk of a directory that another user may change meanwhile. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test'
import {
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { makeErofs } from './make-erofs.ts'

setDefaultTimeout(60_000)

const key = '0'.repeat(32)
let base: string
beforeAll(() => {
  base = mkdtempSync('/var/tmp/kata-ts-erofs-')
})
afterAll(() => rmSync(base, { recursive: true }))

test('a directory that its owner swaps for a link meanwhile never leads out of the root file system', async () => {
  const [layer, secret] = [`${base}/layer`, `${base}/secret`]
  mkdirSync(`${layer}/d`, { recursive: true })
  mkdirSync(secret, { mode: 0o700 })
  writeFileSync(`${layer}/d/file`, 'of the root file system')
  writeFileSync(`${secret}/file`, 'of root alone, ........')
  for (let index = 0; index < 50; index++) writeFileSync(`${layer}/${index}`, 'x'.repeat(5000))
  chownSync(layer, 4242, 4242)
  const swap = `rename "d", "aside"; symlink "${secret}", "d"; select(undef, undef, undef, 0.001); unlink "d"; rename "aside", "d"`
  const swapper = Bun.spawn(
    [
      ...['/usr/bin/setpriv', '--reuid=4242', '--regid=4242', '--clear-groups', '--'],
      ...['/usr/bin/perl', '-e', `while (1) { ${swap} }`],
    ],
    { cwd: layer, stdio: ['ignore', 'ignore', 'inherit'] },
  )
  const seen = { own: 0, secret: 0 }
  // On a busy host each try takes long: enough of them, and no more than there is time for.
  const end = performance.now() + 15_000
  const isEnough = (tries: number) => tries >= 200 || (seen.own > 0 && performance.now() > end)
  try {
    for (let tries = 0; !isEnough(tries) && seen.secret === 0; tries++) {
      const target = `${base}/disk`
      const made = makeErofs({
        ...{ layers: [layer], target, scratch: `${base}/scratch`, key },
        ...{ container: 'c', signal: new AbortController().signal },
      })
      const isMade = await made.then(
        () => true,
        () => false,
      )
      if (!isMade) continue
      const bytes = readFileSync(target)
      if (bytes.includes('of the root file system')) seen.own++
      if (bytes.includes('of root alone')) seen.secret++
      rmSync(target)
    }
  } finally {
    swapper.kill('SIGKILL')
    await swapper.exited
  }
  expect(seen.own).toBeGreaterThan(0)
  expect(seen.secret).toBe(0)
})

test('a directory in the place of the one that is open is not read', async () => {
  const [layer, other, target] = [`${base}/replaced`, `${base}/other`, `${base}/disk-of-other`]
  for (const path of [layer, other]) mkdirSync(path)
  const [same, opened] = [openSync(layer, 'r'), openSync(other, 'r')]
  const make = (fd: number) =>
    makeErofs({
      ...{ layers: [layer], opened: fd, target, scratch: `${base}/scratch`, key },
      ...{ container: 'c', signal: new AbortController().signal },
    })
  try {
    await expect(make(opened)).rejects.toMatchObject({ code: 'SHARE_SOURCE_CHANGED' })
    expect([existsSync(target), existsSync(`${base}/scratch`)]).toEqual([false, false])
    await make(same)
  } finally {
    for (const fd of [same, opened]) closeSync(fd)
  }
})

test('holes in its files take no more of the host than the disk may have', async () => {
  const [layer, target] = [`${base}/holes`, `${base}/disk-of-holes`]
  mkdirSync(layer)
  const make = (bytes: number) => {
    writeFileSync(`${layer}/file`, '')
    truncateSync(`${layer}/file`, bytes)
    return makeErofs({
      ...{ layers: [layer], target, scratch: `${base}/scratch`, key, mostBytes: 2 ** 20 },
      ...{ container: 'c', signal: new AbortController().signal },
    })
  }
  await expect(make(2 ** 40)).rejects.toMatchObject({
    code: 'ROOTFS_DISK_FAILED',
    message: expect.stringContaining('larger than'),
  })
  expect([existsSync(target), existsSync(`${base}/scratch`)]).toEqual([false, false])
  await make(2 ** 19)
  expect(existsSync(target)).toBe(true)
})
