/**
 * The Debian package in a Debian that has nothing else: installed with its dependencies by apt, upgraded under a running sandbox, used by
 * itself and by Docker, removed and purged.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdirSync, writeFileSync } from 'node:fs'
import { makePackage } from '../../setup/package/package.ts'
import { startRegistry } from '../../src/images/store/registry.double.ts'
import { makeTar } from '../../src/images/testing.ts'
import { clientCgroups, removeEmptyCgroup } from '../containerd/cgroups.ts'
import { busyboxFiles } from '../containerd/images.ts'
import { ownDirectory } from '../harness/directories.ts'
import { eventually } from '../harness/kata.ts'
import { slow } from '../harness/time.ts'
import { project, startDocker, stopDocker } from './compose.ts'
import { clients, debian13, docker } from './debian.ts'
import { InnerRoot } from './inner-root.ts'

const directory = ownDirectory('/var/tmp/kata-ts-package-')
const tools = { env: process.env }
let debian: InnerRoot | undefined
let old: string
let fresh: string
let before: string

const ports = { own: 18_091, docker: 18_092 }
const inside = (file: string) => `/mnt/${file.slice(directory.length + 1)}`
const apt = 'apt-get --yes --no-install-recommends -o Dpkg::Options::=--force-confold'
const everyName = `find / -xdev -iname '*kata*'; grep -s kata /etc/passwd /etc/group /etc/shadow; true`

beforeAll(async () => {
  mkdirSync(directory, { recursive: true })
  const options = { outDir: directory, compression: 'none' } as const
  old = await makePackage({ ...options, version: '0.0.1' }, tools)
  fresh = await makePackage({ ...options, version: '0.0.2' }, tools)
  debian = new InnerRoot(await debian13(), directory)
  await debian.ready()
  before = await must(everyName)
}, slow(600_000))
afterAll(() => debian?.close())

/** Runs it, and fails the test with what it said when it fails. */
async function must(line: string): Promise<string> {
  const { code, output } = await debian!.run(line)
  expect({ line, code, output }).toMatchObject({ line, code: 0 })
  return output
}

test(
  'apt installs it with all that it needs, and again; it has directories, manual pages and a configuration that loads',
  async () => {
    expect((await debian!.run('command -v qemu-system-x86_64 virtiofsd')).code).not.toBe(0)
    await must(`${apt} install ${inside(old)}`)
    await must(`${apt} --reinstall install ${inside(old)}`)
    expect(await must('dpkg --status kata-ts')).toContain('Status: install ok installed\n')
    expect(await must('dpkg --verify kata-ts')).toBe('')
    expect(await must('readlink -f $(command -v containerd-shim-kata-ts-v2)')).toBe('/usr/bin/kata-ts\n')
    expect(await must('kata-ts version')).toMatch(
      /^kata-ts \d+\.\d+\.\d+ \(commit (unknown|[0-9a-f]{12}(-dirty)?)\)\n$/,
    )
    expect(await must('kata-ts guest list')).toMatch(/\* +[0-9a-f]{24}/)
    expect(await must('kata-ts config show')).toContain('/etc/kata-ts/configuration.toml')
    expect(await must('getent group kvm kata-ts | cut -d: -f1')).toBe('kvm\nkata-ts\n')
    expect(await must('cat /usr/lib/systemd/system/kata-ts.service')).toContain('ExecStart=/usr/bin/kata-ts ')
  },
  slow(240_000),
)

test(
  'an upgrade leaves a running sandbox as it is, the new program uses and ends it, and the next one has the new program',
  async () => {
    await must('sed -i \'s/^accelerator = .*/accelerator = "auto"/\' /etc/kata-ts/configuration.toml')
    await must('kata-ts run -d --name survivor -- sleep 10000')
    const { shimPid } = JSON.parse(await must('kata-ts --format json ps'))[0]
    // Another file by its time alone: the program is the same.
    await must(`${apt} install ${inside(fresh)}`)
    expect(await must(`readlink /proc/${shimPid}/exe`)).toBe('/usr/bin/kata-ts (deleted)\n')
    expect(await must('kata-ts exec survivor -- echo alive')).toBe('alive\n')
    expect(await must('kata-ts run --rm -- echo new')).toContain('new\n')
    expect(await must('grep ^accelerator /etc/kata-ts/configuration.toml')).toBe('accelerator = "auto"\n')
  },
  slow(240_000),
)

test(
  'there, an image runs by its name from a registry on loopback, and its port leads in; so do two services of it by Docker’s compose',
  async () => {
    const cgroupsBefore = new Set(clientCgroups())
    await using registry = startRegistry()
    registry.add('team/web', '1.0', [makeTar(busyboxFiles())], {
      Env: ['PATH=/bin:/sbin:/usr/bin:/usr/sbin'],
    })
    const image = `${registry.host}/team/web:1.0`
    // A daemon of docker.io's own start would change the packet filters of the host.
    await must(`printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d`)
    await must(`${apt} install ${[...clients, ...docker].join(' ')}`)
    const serve = 'mkdir /www; echo by its name >/www/index.html; exec httpd -f -h /www'
    await must(
      `kata-ts run -d --name web --tls-verify=false -p 127.0.0.1:${ports.own}:80 ${image} sh -c '${serve}'`,
    )
    expect(await page(ports.own)).toBe('by its name\n')
    await must('kata-ts rm -f web')
    await must(startDocker)
    try {
      writeFileSync(`${directory}/compose.yaml`, project(image, ports.docker))
      await must('docker-compose --file /mnt/compose.yaml up --detach')
      expect(await page(ports.docker)).toBe('of the db\n')
      await must('docker-compose --file /mnt/compose.yaml down --timeout 1')
    } finally {
      await debian!.run('docker ps -aq | xargs -r docker rm -f')
      await must(stopDocker)
    }
    await must(`${apt} purge ${[...clients, ...docker].join(' ')} && rm /usr/sbin/policy-rc.d`)
    for (const cgroup of clientCgroups()) if (!cgroupsBefore.has(cgroup)) removeEmptyCgroup(cgroup)
  },
  slow(300_000),
)

/** What a web server on the host's own address says, once it is up. */
const page = (port: number): Promise<string> =>
  eventually(`a page at port ${port}`, () =>
    fetch(`http://127.0.0.1:${port}/`).then(
      (answer) => answer.text(),
      () => undefined,
    ),
  )

test(
  'a removal is refused while a sandbox runs, and names it',
  async () => {
    const { code, output } = await debian!.run(`${apt} remove kata-ts`)
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
    await must(`${apt} remove kata-ts`)
    expect(await must('ls /etc/kata-ts /var/lib/kata-ts')).toContain('configuration.toml')
    expect((await debian!.run('command -v kata-ts')).code).not.toBe(0)
    await must(`${apt} purge kata-ts`)
    // A mount point stays, empty: it is the test's own.
    expect(await must('find /var/lib/kata-ts /var/cache/kata-ts -mindepth 1')).toBe('')
    expect(await must(everyName)).toBe(before)
    expect((await debian!.run('dpkg-query -W kata-ts')).code).not.toBe(0)
    await must(`${apt} autoremove --purge`)
    expect((await debian!.run('command -v qemu-system-x86_64')).code).not.toBe(0)
  },
  slow(180_000),
)
