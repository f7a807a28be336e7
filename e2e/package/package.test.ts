/** The Debian package: installed, upgraded under a running sandbox, removed and purged by the real dpkg. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdirSync } from 'node:fs'
import { makePackage } from '../../setup/package/package.ts'
import { ownDirectory } from '../harness/directories.ts'
import { slow } from '../harness/time.ts'
import { DebianRoot } from './debian-root.ts'

const directory = ownDirectory('/var/tmp/kata-ts-package-')
const tools = { env: process.env }
let debian: DebianRoot | undefined
let old: string
let fresh: string

const inside = (file: string) => `/mnt/${file.slice(directory.length + 1)}`

beforeAll(async () => {
  mkdirSync(directory, { recursive: true })
  const options = { outDir: directory, compression: 'none' } as const
  old = await makePackage({ ...options, version: '0.0.1' }, tools)
  fresh = await makePackage({ ...options, version: '0.0.2' }, tools)
  debian = new DebianRoot(directory)
  await debian.ready()
}, slow(300_000))
afterAll(() => debian?.close())

/** Runs it, and fails the test with what it said when it fails. */
async function must(line: string): Promise<string> {
  const { code, output } = await debian!.run(line)
  expect({ line, code, output }).toMatchObject({ line, code: 0 })
  return output
}

test(
  'it installs what it says, with directories, manual pages and a configuration that loads',
  async () => {
    await must(`dpkg --install ${inside(old)}`)
    expect(await must('dpkg --status kata-ts')).toContain('Status: install ok installed\n')
    expect(await must('dpkg --verify kata-ts')).toBe('')
    expect(await must('readlink -f $(command -v containerd-shim-kata-ts-v2)')).toBe('/usr/bin/kata-ts\n')
    expect(await must('kata-ts version')).toMatch(
      /^kata-ts \d+\.\d+\.\d+ \(commit (unknown|[0-9a-f]{12}(-dirty)?)\)\n$/,
    )
    expect(await must('kata-ts image list')).toMatch(/\* +[0-9a-f]{24}/)
    expect(await must('kata-ts config show')).toContain('/etc/kata-ts/configuration.toml')
    expect(await must('getent group kvm')).toStartWith('kvm:')
  },
  slow(120_000),
)

test(
  'an upgrade leaves a running sandbox as it is, and the next one has the new program',
  async () => {
    await must('sed -i \'s/^accelerator = .*/accelerator = "auto"/\' /etc/kata-ts/configuration.toml')
    await must('kata-ts run -d --name survivor -- sleep 10000')
    const { shimPid } = JSON.parse(await must('kata-ts --format json ps'))[0]
    // Another file by its time alone: the program is the same.
    await must(`dpkg --force-confold --install ${inside(fresh)}`)
    expect(await must(`readlink /proc/${shimPid}/exe`)).toBe('/usr/bin/kata-ts (deleted)\n')
    expect(await must('kata-ts exec survivor -- echo alive')).toBe('alive\n')
    expect(await must('kata-ts run --rm -- echo new')).toContain('new\n')
    expect(await must('grep ^accelerator /etc/kata-ts/configuration.toml')).toBe('accelerator = "auto"\n')
  },
  slow(240_000),
)

test(
  'a removal is refused while a sandbox runs, and names it',
  async () => {
    const { code, output } = await debian!.run('dpkg --remove kata-ts')
    expect(code).not.toBe(0)
    expect(output).toContain('sandboxes are running, so the package is not removed')
    expect(output).toContain('survivor')
    expect(await must('kata-ts exec survivor -- echo alive')).toBe('alive\n')
    await must('kata-ts rm -f survivor')
  },
  slow(120_000),
)

test(
  'removed, it leaves configuration and records; purged, nothing',
  async () => {
    await must('kata-ts run --name ended -- true')
    await must('dpkg --remove kata-ts')
    expect(await must('ls /etc/kata-ts /var/lib/kata-ts')).toContain('configuration.toml')
    expect((await debian!.run('command -v kata-ts')).code).not.toBe(0)
    await must('dpkg --purge kata-ts')
    const places =
      '/etc/kata-ts /run/kata-ts /var/lib/kata-ts /var/cache/kata-ts /usr/lib/kata-ts /usr/share/kata-ts'
    // A mount point stays, empty.
    expect(await must(`for place in ${places}; do ! test -d $place || find $place -mindepth 1; done`)).toBe(
      '',
    )
    expect(await must("getent passwd | grep '^kata-' || true")).toBe('')
    expect((await debian!.run('dpkg-query -W kata-ts')).code).not.toBe(0)
  },
  slow(120_000),
)
