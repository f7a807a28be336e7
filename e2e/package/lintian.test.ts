/** Debian's own check of packages, over the package as it is shipped, in a Debian that has nothing else. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdirSync } from 'node:fs'
import { basename } from 'node:path'
import { makePackage } from '../../setup/package/package.ts'
import { ownDirectory } from '../harness/directories.ts'
import { slow } from '../harness/time.ts'
import { debian13 } from './debian.ts'
import { InnerRoot } from './inner-root.ts'

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

test(
  'no error and no warning, and each override is about something that lintian finds without it',
  async () => {
    // What is overridden is said as well, which shows that it looked. Tags about overrides are of a lower severity: one that nothing needs would hide something later.
    const shown = '--show-overrides --display-info --fail-on error,warning'
    const { code, output } = await debian!.run(`${lintian} ${shown} /mnt/${basename(file)}`)
    expect(output).not.toMatch(/^[EW]: /m)
    expect(code).toBe(0)
    expect(output).toMatch(/^O: kata-ts: /m)
    expect(output).not.toMatch(/unused-override|mismatched-override/)
  },
  slow(300_000),
)
