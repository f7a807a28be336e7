import { afterAll, expect, test } from 'bun:test'
import {
  closeSync,
  existsSync,
  fstatSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { until } from '../../time.ts'
import { LargeInodes } from './large-inodes.double.ts'
import { openLoopDevice, resizeLoopDevice } from './loop-device.ts'

const directory = mkdtempSync(`${tmpdir()}/loop-`)
afterAll(() => rmSync(directory, { recursive: true }))
const image = `${directory}/image`
writeFileSync(image, Buffer.alloc(65536, 'data'), { mode: 0o600 })

/** Whether it has no file any more, or lets go of it: udev of the host may be looking at a device that is new, or has another size. */
const isFree = (name: string): Promise<boolean> =>
  until(() => !existsSync(`/sys/block/${name}/loop`), { timeoutMs: 4000, everyMs: 1, longestMs: 20 })

const missing = existsSync('/dev/loop-control') ? '' : ' (skipped: this host has no /dev/loop-control)'

test.skipIf(missing !== '')(
  `a file becomes a device, read-only if asked, and frees itself${missing}`,
  async () => {
    for (const readonly of [true, false]) {
      const file = openSync(image, readonly ? 'r' : 'r+')
      const loop = openLoopDevice(file, { readonly })
      closeSync(file)
      const name = `loop${loop.device & 0xff}`
      expect(readFileSync(`/sys/block/${name}/ro`, 'utf8').trim()).toBe(readonly ? '1' : '0')
      expect(readFileSync(`/dev/${name}`).subarray(0, 8).toString()).toBe('datadata')
      expect(existsSync(`/sys/block/${name}/loop`)).toBe(true)
      loop.close()
      expect(await isFree(name)).toBe(true)
    }
  },
)

test.skipIf(missing !== '')(
  `it takes the size that its file has by then, and of no other file${missing}`,
  async () => {
    const file = openSync(image, 'r+')
    const loop = openLoopDevice(file, { readonly: false })
    const name = `loop${loop.device & 0xff}`
    const sectors = () => Number(readFileSync(`/sys/block/${name}/size`, 'utf8'))
    expect(loop.path).toBe(`/dev/${name}`)
    ftruncateSync(file, 131_072)
    expect(sectors()).toBe(128)
    resizeLoopDevice(loop.path, fstatSync(file))
    expect(sectors()).toBe(256)
    expect(() => resizeLoopDevice(loop.path, statSync('/etc/passwd'))).toThrow('EBADF')
    closeSync(file)
    loop.close()
    expect(await isFree(name)).toBe(true)
    expect(() => resizeLoopDevice(loop.path, statSync(image))).toThrow('ENXIO')
  },
)

test.skipIf(missing !== '')(`what is no file is refused, and nothing is kept${missing}`, () => {
  const file = openSync('/dev/null', 'r')
  expect(() => openLoopDevice(file, { readonly: true })).toThrow(/LOOP_CONFIGURE failed: EINVAL/)
  closeSync(file)
})

test.skipIf(missing !== '')(`a file of a large inode number is known again${missing}`, async () => {
  using place = new LargeInodes(`${directory}/large`)
  for (const name of ['one', 'two']) writeFileSync(`${place.files}/${name}`, Buffer.alloc(65536))
  place.show()
  const file = openSync(`${place.shown}/one`, 'r')
  const loop = openLoopDevice(file, { readonly: true })
  try {
    expect(() => resizeLoopDevice(loop.path, fstatSync(file))).not.toThrow()
  } finally {
    loop.close()
    closeSync(file)
    expect(await isFree(`loop${loop.device & 0xff}`)).toBe(true)
  }
})
