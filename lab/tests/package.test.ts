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
  // Guests under an emulated KVM take ten times as long.
  await mustInLab(`mkdir -p /etc/kata-ts/config.d
printf '[agent.kata]\\ndial_timeout = 300\\n[runtime]\\ncreate_container_timeout = 900\\n' >/etc/kata-ts/config.d/lab.toml
printf '[factory]\\nenable_template = true\\nvm_cache_number = 1\\n' >>/etc/kata-ts/config.d/lab.toml
printf '[hypervisor.qemu]\\ndefault_memory = 256\\n' >>/etc/kata-ts/config.d/lab.toml`)
  const started = units.filter((unit) => unit !== 'kata-ts.service')
  const enable = () =>
    mustInLab(
      `systemctl enable --now ${started.join(' ')} || { journalctl --no-pager --lines 30 --unit 'kata-ts*' >&2; exit 1; }`,
    )
  await twiceAtMost(enable, (reason) => console.log(`tried once more: ${reason}`))
  for (const unit of started) expect([unit, await stateOf(unit)]).toEqual([unit, 'active\n'])
  expect(await mustInLab('stat -c "%U:%G %a" /run/kata-ts/service.sock')).toBe('root:kata-ts 660\n')
  await mustInLab('useradd --groups kata-ts member; useradd stranger')
  const refused = await mustInLab('su -s /bin/sh stranger -c "kata-ts ps" 2>&1 || true')
  expect(refused).toContain('kata-ts')
  expect(await stateOf('kata-ts.service')).toBe('inactive\n')
  expect(await mustInLab('su -s /bin/sh member -c "kata-ts ps --quiet"')).toBe('')
  expect(await stateOf('kata-ts.service')).toBe('active\n')
})

test('an upgrade leaves a running sandbox as it is; service, template and pool become the new program’s', async () => {
  const start = () =>
    mustInLab('kata-ts rm -f survivor 2>/dev/null; kata-ts run -d --name survivor -- sleep 30000')
  await twiceAtMost(start, (reason) => console.log(`tried once more: ${reason}`))
  const [{ shimPid }] = JSON.parse(await mustInLab('kata-ts --format json ps'))
  const restarted = ['kata-ts.service', 'kata-ts-templates.service', 'kata-ts-pool.service']
  const invocations = () =>
    Promise.all(restarted.map((unit) => mustInLab(`systemctl show --value -p InvocationID ${unit}`)))
  const templates = async () => {
    const status = JSON.parse(await mustInLab('kata-ts --format json factory status'))
    return (status.templates as { key: string }[]).map(({ key }) => key)
  }
  const were = await invocations()
  const made = await templates()
  expect(made).toHaveLength(1)
  await mustInLab(`${apt} install ${fresh}`)
  expect(await mustInLab(`readlink /proc/${shimPid}/exe`)).toBe('/usr/bin/kata-ts (deleted)\n')
  for (const [index, now] of (await invocations()).entries())
    expect([restarted[index], now]).not.toEqual([restarted[index], were[index]!])
  for (const unit of ['kata-ts.service', 'kata-ts-pool.service']) {
    const exe = `readlink /proc/$(systemctl show --value -p MainPID ${unit})/exe`
    expect([unit, await mustInLab(exe)]).toEqual([unit, '/usr/bin/kata-ts\n'])
  }
  // A machine that was killed may take too long to go on a busy emulated host; then the template is made once more.
  const make = 'systemctl start kata-ts-templates.service'
  console.log(await mustInLab(`${make} || { echo tried once more; ${make}; }`))
  expect(await templates()).toContainEqual(expect.not.stringContaining(made[0]!))
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
