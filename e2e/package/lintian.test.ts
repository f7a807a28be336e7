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
  'no error and no warning, and each override is about something that lintian finds without it',
  async () => {
    const strict = '--fail-on error,warning'
    // Side by side, each on a processor of its own. The first is the control.
    const [control, { code, output }, unused] = await Promise.all([
      run(`${lintian} --no-override ${strict} /mnt/${basename(file)}`),
      run(`${lintian} ${strict} /mnt/${basename(file)}`),
      // Tags of a lower severity that are about overrides: one that nothing needs would hide something later.
      run(`${lintian} --display-info --tags unused-override /mnt/${basename(file)}`),
    ])
    expect(control.code).not.toBe(0)
    expect(control.output).toMatch(/^[EW]: kata-ts: /m)
    expect({ code, output }).toEqual({ code: 0, output: '' })
    expect(unused.output).toBe('')
  },
  slow(300_000),
)
