// test:vmm: every VMM
/** What a container writes, as a trap for root of the host: trees too deep to walk by paths, and links where a volume will be. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { podTest } from './harness/cannot.ts'
import { eventually, Kata, scratch } from './harness/kata.ts'

let kata: Kata
beforeAll(() => {
  kata = new Kata()
})
afterAll(() => kata.close())

/** Trees of so many levels, each moved to the bottom of the next. Thousands are for unit tests: each takes a guest its time. */
const level = '/directory'
const levels = 200
const digDeep = `
deep=${level.repeat(levels)}
cd /
for round in 1 2 3; do
  mkdir -p /next$deep || exit 1
  [ $round = 1 ] || mv /tree /next$deep || exit 1
  mv /next /tree
done
ln -s / /tree/link
echo dug`

function records(): string[] {
  const directory = `${kata.stateDir}/containers/default`
  return existsSync(directory) ? readdirSync(directory) : []
}

test('a container that leaves a tree deeper than any path is removed with it', async () => {
  const { code, stdout, stderr } = await kata.run(['sh', '-c', digDeep])
  expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: 'dug\n', stderr: '' })
  expect(records()).toEqual([])
})

podTest('rm -f removes one that runs', async () => {
  const flags = ['run', '-d', '--name', 'digger', '--', 'sh', '-c']
  expect((await kata.call([...flags, `${digDeep}; sleep 300`])).code).toBe(0)
  await eventually(
    'the tree',
    async () => (await kata.call(['logs', 'digger'])).stdout === 'dug\n' || undefined,
  )
  // The positive control: it is on the host, and no path that Linux takes leads to its end.
  const upper = `${kata.stateDir}/containers/default/digger/upper`
  expect(readdirSync(`${upper}/tree${level.repeat(levels)}`)).toEqual(['tree'])
  expect(3 * levels * level.length).toBeGreaterThan(4096)
  expect(await kata.call(['rm', '-f', 'digger'])).toEqual({ code: 0, stdout: 'digger\n', stderr: '' })
  expect(records()).toEqual([])
})

podTest('a link that a container left in a volume is not followed for the next one', async () => {
  using dir = scratch()
  mkdirSync(`${dir.path}/secret`)
  writeFileSync(`${dir.path}/secret/data`, 'of the host')
  mkdirSync(`${dir.path}/volume/sub`, { recursive: true })
  const swap = 'rmdir /v/sub && ln -s ../secret /v/sub'
  const volume = `${dir.path}/volume`
  expect(await kata.run(['sh', '-c', swap], { flags: ['-v', `${volume}:/v`] })).toMatchObject({ code: 0 })
  // The positive control: whoever follows it on the host is in the other directory.
  expect(lstatSync(`${volume}/sub`).isSymbolicLink()).toBe(true)
  expect(readFileSync(`${volume}/sub/data`, 'utf8')).toBe('of the host')
  for (const source of ['sub', 'sub/data']) {
    const outcome = await kata.run(['cat', '/x/data'], { flags: ['-v', `${volume}/${source}:/x`] })
    expect({ code: outcome.code, stdout: outcome.stdout }).toEqual({ code: 125, stdout: '' })
    expect(outcome.stderr).toContain(
      `[SOURCE_LINK] ${volume}/${source} cannot be used: ${volume}/sub in its path`,
    )
  }
})
