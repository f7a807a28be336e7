/**
 * The Debian package on a lab host as it was built, with systemd and udev: what is made at once, units that start, an upgrade under a
 * running sandbox, removal and purge. What needs neither of them is in e2e/package.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { basename } from 'node:path'
import { makePackage } from '../../setup/package/package.ts'
import { createProgress } from '../../src/guest-image/progress.ts'
import { carryTo } from '../carry.ts'
import { mustInLab } from '../machine/ssh.ts'
import { twiceAtMost } from '../machine/trouble.ts'
import { up } from '../up.ts'

setDefaultTimeout(60 * 60_000)

const place = '/srv/packages'
const units = [
  'kata-ts.socket',
  'kata-ts.service',
  'kata-ts-boot.service',
  'kata-ts-templates.service',
  'kata-ts-pool.service',
]
const everyName = `find / -xdev -iname '*kata*' -not -path '${place}/*' -not -path '/var/log/*' | sort
grep -s kata /etc/passwd /etc/group /etc/shadow /etc/gshadow || true`
const apt = 'apt-get --yes --no-install-recommends -o Dpkg::Options::=--force-confold'

const directory = mkdtempSync('/var/tmp/kata-ts-lab-package-')
let before: string
let old: string
let fresh: string

beforeAll(async () => {
  mkdirSync(directory, { recursive: true })
  const tools = { env: process.env }
  const made: string[] = []
  for (const version of ['0.0.1', '0.0.2'])
    made.push(await makePackage({ outDir: directory, compression: 'none', version }, tools))
  const [first, second] = made.map((file) => `${place}/${basename(file)}`)
  old = first!
  fresh = second!
  await up(createProgress(process.stderr), { bare: true })
  await carryTo(place, ['-C', directory, '.'])
  before = await mustInLab(everyName)
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const stateOf = (unit: string) => mustInLab(`systemctl is-active ${unit} || true`)

test('installed, its groups, its directories and the owner of /dev/kvm are there at once, and no unit runs', async () => {
  // As before any rule: an event of udev's, which the package asks for, gives it to the group.
  await mustInLab('chown root:root /dev/kvm && chmod 600 /dev/kvm')
  await mustInLab(`${apt} install ${old}`)
  await mustInLab('udevadm settle')
  expect(await mustInLab('stat -c "%U:%G %a" /dev/kvm')).toBe('root:kvm 660\n')
  expect(await mustInLab('getent group kvm kata-ts | cut -d: -f1')).toBe('kvm\nkata-ts\n')
  expect(await mustInLab('stat -c "%n %a %U" /run/kata-ts /var/lib/kata-ts /var/cache/kata-ts')).toBe(
    '/run/kata-ts 711 root\n/var/lib/kata-ts 700 root\n/var/cache/kata-ts 755 root\n',
  )
  // Others' units, and pages for a man that is not there, do not count.
  const verify = `systemd-analyze verify --man=no ${units.join(' ')} 2>&1`
  expect(await mustInLab(`${verify} | grep kata-ts || true`)).toBe('')
  for (const unit of units) {
    expect([unit, await stateOf(unit)]).toEqual([unit, 'inactive\n'])
    expect([unit, await mustInLab(`systemctl is-enabled ${unit} || true`)]).toEqual([unit, 'disabled\n'])
  }
})

test('each unit starts; a member of the group is served by the socket, and no other user', async () => {
  await mustInLab(`systemctl enable --now kata-ts.socket kata-ts-templates.service kata-ts-boot.service`)
  for (const unit of units.filter((unit) => unit !== 'kata-ts.service'))
    expect([unit, await stateOf(unit)]).toEqual([unit, 'active\n'])
  expect(await mustInLab('stat -c "%U:%G %a" /run/kata-ts/service.sock')).toBe('root:kata-ts 660\n')
  await mustInLab('useradd --groups kata-ts member; useradd stranger')
  const refused = await mustInLab('su -s /bin/sh stranger -c "kata-ts ps" 2>&1 || true')
  expect(refused).toContain('kata-ts')
  expect(await stateOf('kata-ts.service')).toBe('inactive\n')
  expect(await mustInLab('su -s /bin/sh member -c "kata-ts ps --quiet"')).toBe('')
  expect(await stateOf('kata-ts.service')).toBe('active\n')
})

test('an upgrade leaves a running sandbox as it is, and the service becomes the new program', async () => {
  // Guests under an emulated KVM take ten times as long.
  await mustInLab(`mkdir -p /etc/kata-ts/config.d
printf '[agent.kata]\\ndial_timeout = 300\\n[runtime]\\ncreate_container_timeout = 900\\n' >/etc/kata-ts/config.d/lab.toml`)
  const start = () =>
    mustInLab('kata-ts rm -f survivor 2>/dev/null; kata-ts run -d --name survivor -- sleep 30000')
  await twiceAtMost(start, (reason) => console.log(`tried once more: ${reason}`))
  const [{ shimPid }] = JSON.parse(await mustInLab('kata-ts --format json ps'))
  const mainPid = async () => (await mustInLab('systemctl show --value -p MainPID kata-ts.service')).trim()
  const was = await mainPid()
  await mustInLab(`${apt} install ${fresh}`)
  expect(await mustInLab(`readlink /proc/${shimPid}/exe`)).toBe('/usr/bin/kata-ts (deleted)\n')
  const now = await mainPid()
  expect(now).not.toBe(was)
  expect(await mustInLab(`readlink /proc/${now}/exe`)).toBe('/usr/bin/kata-ts\n')
  expect(await mustInLab('kata-ts exec survivor -- echo alive')).toBe('alive\n')
  expect(await mustInLab('systemctl --failed --quiet --no-legend | grep kata-ts || true')).toBe('')
})

test('a removal is refused while it runs; afterwards it stops the units, and a purge leaves nothing', async () => {
  const refused = await mustInLab(`${apt} remove kata-ts 2>&1 && echo removed || true`)
  expect(refused).toContain('survivor')
  expect(refused).not.toEndWith('removed\n')
  expect(await stateOf('kata-ts.socket')).toBe('active\n')
  await mustInLab('kata-ts rm -f survivor')
  await mustInLab(`${apt} remove kata-ts`)
  for (const unit of units) expect([unit, await stateOf(unit)]).toEqual([unit, 'inactive\n'])
  expect(await mustInLab('pgrep -x kata-ts || true')).toBe('')
  await mustInLab('userdel member; userdel stranger; rm /etc/kata-ts/config.d/lab.toml')
  await mustInLab(`${apt} purge kata-ts`)
  expect(await mustInLab(everyName)).toBe(before)
  expect(await mustInLab(`systemctl list-unit-files --quiet --no-legend 'kata-ts*' || true`)).toBe('')
})
