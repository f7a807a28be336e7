import { expect, test } from 'bun:test'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { parseDevice } from './device.ts'

test('a disk image, by whatever name, with where it goes and what may be done', () => {
  const dir = mkdtempSync('/tmp/device-option-')
  try {
    const image = `${dir}/disk.img`
    writeFileSync(image, 'x')
    const file = { what: 'file', source: image } as const
    expect(parseDevice(image)).toEqual({ ...file, destination: image, readonly: false })
    expect(parseDevice(`${dir}/../${basename(dir)}/disk.img:/dev/xvda`)).toEqual({
      ...file,
      destination: '/dev/xvda',
      readonly: false,
    })
    expect(parseDevice(`${image}:/dev/xvda:r`)).toEqual({ ...file, destination: '/dev/xvda', readonly: true })
    expect(parseDevice(`${image}:/dev/xvda:rwm`)).toMatchObject({ readonly: false })
    symlinkSync(image, `${dir}/link`)
    expect(() => parseDevice(`${dir}/link`)).toThrow(/^\[SOURCE_LINK\]/)
    expect(parseDevice(`${image}:rm`)).toMatchObject({ destination: image, readonly: true })
  } finally {
    rmSync(dir, { recursive: true })
  }
})

test('a character device, of which the runtime says whether a machine can have it', () => {
  const numbers = { major: 1, minor: 3 }
  expect(parseDevice('/dev/null:/dev/x:r')).toEqual({
    what: 'char',
    destination: '/dev/x',
    readonly: true,
    ...numbers,
  })
})

test('a FIFO is refused as what it is', () => {
  const dir = mkdtempSync('/tmp/device-option-')
  try {
    Bun.spawnSync(['mkfifo', `${dir}/fifo`])
    expect(() => parseDevice(`${dir}/fifo`)).toThrow('is a FIFO, neither a device nor a disk image')
  } finally {
    rmSync(dir, { recursive: true })
  }
})

test.each([
  ['', 'not an absolute path'],
  ['disk.img', 'not an absolute path'],
  ['/dev/null:xvda', 'not an absolute path'],
  ['/dev/null:/dev/xvda:w', 'does not allow to read'],
  ['/dev/null:/a:/b:/c', 'it needs the form'],
  ['/nonexistent', 'ENOENT'],
  ['/tmp', '/tmp is a directory, neither a device nor a disk image'],
])('%p is refused: %s', (text, reason) => {
  expect(() => parseDevice(text)).toThrow(new RegExp(`^\\[DEVICE_OPTION_INVALID\\].*${reason}`))
})
