/** Volumes are filled once, and what anybody has written to one stays. */
import { afterAll, expect, test } from 'bun:test'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { prepareVolumes } from './fill.ts'
import { volumePaths } from './store.ts'

const asRoot = test.skipIf(process.getuid?.() !== 0)
const base = mkdtempSync(`${tmpdir()}/fill-`)
afterAll(() => rmSync(base, { recursive: true }))
let count = 0

/** An image that has these files in /data, and a volume for them. */
function prepare(...files: string[]) {
  const layer = `${base}/layer${count}`
  mkdirSync(`${layer}/data`, { recursive: true })
  for (const name of files) writeFileSync(`${layer}/data/${name}`, 'of the image')
  chmodSync(`${layer}/data`, 0o750)
  const store = { stateDir: `${base}/state${count++}`, namespace: 'default' }
  const paths = volumePaths(store, 'v')
  const run = (signal?: AbortSignal, noCopy?: true) => {
    const volume = { name: 'v', source: paths.data, destination: '/data', readonly: false, noCopy }
    return prepareVolumes(store, [volume as never], [layer], signal)
  }
  return { ...paths, run, text: (name: string) => readFileSync(`${paths.data}/${name}`, 'utf8') }
}

asRoot('an empty volume gets the files of the image, and the owner and mode of their directory', async () => {
  const { run, data, directory } = prepare('a', 'b')
  await run()
  expect(readdirSync(data).sort()).toEqual(['a', 'b'])
  expect(statSync(data).mode & 0o7777).toBe(0o750)
  expect(readdirSync(directory).sort()).toEqual(['_data', 'volume.json'])
})

asRoot('what was written to a volume after a copy into it was broken off stays', async () => {
  const { run, data, directory, text } = prepare('a')
  await expect(run(AbortSignal.abort(new Error('enough')))).rejects.toThrow('[VOLUME_FILL_FAILED]')
  expect(readdirSync(directory).sort()).toEqual(['_data', 'volume.json'])
  await run(undefined, true)
  writeFileSync(`${data}/mine`, 'precious')
  await run()
  expect(text('mine')).toBe('precious')
})

asRoot('one that was killed while it copied leaves nothing in the volume', async () => {
  const { run, data, directory } = prepare('a')
  await run(undefined, true)
  mkdirSync(`${directory}/filling`)
  writeFileSync(`${directory}/filling/half`, '')
  await run()
  expect(readdirSync(data)).toEqual(['a'])
  expect(existsSync(`${directory}/filling`)).toBe(false)
})

asRoot('one that was killed while it moved is gone on with, over nobody’s files', async () => {
  const { run, data, directory, text } = prepare()
  await run(undefined, true)
  mkdirSync(`${directory}/filled/sub`, { recursive: true })
  for (const name of ['moved', 'both']) writeFileSync(`${directory}/filled/${name}`, 'of the image')
  writeFileSync(`${data}/both`, 'precious')
  await run()
  expect(readdirSync(data).sort()).toEqual(['both', 'moved', 'sub'])
  expect([text('both'), text('moved')]).toEqual(['precious', 'of the image'])
  expect(existsSync(`${directory}/filled`)).toBe(false)
})
