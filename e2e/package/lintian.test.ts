/** Debian's own check of packages, over the package as it is shipped, in a Debian that has nothing else. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdirSync } from 'node:fs'
import { basename } from 'node:path'
import { makePackage } from '../../setup/package/package.ts'
import { ownDirectory } from '../harness/directories.ts'
import { slow } from '../harness/time.ts'
import { debian13 } from './debian.ts'
import { type Ended, InnerRoot } from './inner-root.ts'

const directory = ownDirectory('/var/tmp/kata-ts-lintian-')
/** Its scratch files are as large as the package: on a disk, and not in the /tmp of that system, which is memory. */
const lintian = 'TMPDIR=/mnt/scratch lintian --allow-root --profile debian --tag-display-limit 0'
let debian: InnerRoot | undefined
let file: string

beforeAll(async () => {
  mkdirSync(`${directory}/scratch`, { recursive: true })
  file = await makePackage({ outDir: directory, compression: 'zstd' }, { env: process.env })
  debian = new InnerRoot(await debian13(), directory)
  await debian.ready()
  const { code, output } = await debian.run('apt-get --yes --no-install-recommends install lintian')
  expect({ code, output }).toMatchObject({ code: 0 })
}, slow(600_000))
afterAll(() => debian?.close())

const run = (line: string): Promise<Ended> => debian!.run(line)

test(
  'no error and no warning, and each override is about something that lintian finds',
  async () => {
    const { code, output } = await run(`${lintian} --fail-on error,warning /mnt/${basename(file)}`)
    expect({ code, output }).toEqual({ code: 0, output: '' })
    // Tags of a lower severity that are about overrides: one that nothing needs would hide something later.
    const info = await run(`${lintian} --display-info --tags unused-override /mnt/${basename(file)}`)
    expect(info.output).toBe('')
  },
  slow(300_000),
)

test(
  'the control: without the overrides lintian finds what they are about',
  async () => {
    const { code, output } = await run(
      `${lintian} --no-override --fail-on error,warning /mnt/${basename(file)}`,
    )
    expect(code).not.toBe(0)
    expect(output).toMatch(/^[EW]: kata-ts: /m)
  },
  slow(300_000),
)
