/** What the executable is called with for an image, in a directory with files whose names look like it. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { Sandbox } from './sandbox.ts'

const before = process.cwd()
let directory: string
beforeAll(() => {
  directory = mkdtempSync(`${tmpdir()}/kata-ts-image-`)
  process.chdir(directory)
  mkdirSync('node')
  mkdirSync('layout')
  for (const file of ['app.tar', 'file', 'layout/oci-layout']) writeFileSync(file, '')
})
afterAll(() => {
  process.chdir(before)
  rmSync(directory, { recursive: true })
})

/** The words that tell the image. */
async function wordsFor(image: string): Promise<string[]> {
  const record = 'printf "%s\\n" "$@" > words; echo \'{"exitCode":0,"errors":[],"warnings":[]}\' > "$2"'
  await Sandbox.create({ executable: ['sh', '-c', record, 'sh'], name: 'box', image, command: [] })
  const words = readFileSync('words', 'utf8').trimEnd().split('\n')
  return words.slice(words.indexOf('box') + 1).filter((word) => word !== '--network' && word !== 'none')
}

test.each(['node', 'node:20', 'me/node', 'file/node', 'docker.io/library/app.tar'])(
  '%s is a name',
  async (image) => {
    expect(await wordsFor(image)).toEqual([image])
  },
)

test.each(['./app.tar', './app.tar:v1', './node', '../app.tar', '/srv/app.tar'])(
  '%s is a path',
  async (image) => {
    expect(await wordsFor(image)).toEqual(['--image', image, '--'])
  },
)

test.each(['app.tar', 'app.tar:v1', 'layout', 'layout:v1'])(
  '%s may be both, and is refused',
  async (image) => {
    await expect(wordsFor(image)).rejects.toMatchObject({
      name: 'SandboxError',
      code: 'OPTION_INVALID',
      remedy: `For the file, write ./${image}; for a name, with its registry: docker.io/library/${image}.`,
    })
  },
)
