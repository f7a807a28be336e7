/** The maintainer scripts as dpkg calls them, in a layer over this system of which nothing stays, with doubles of what they start. */
import { afterAll, expect, test } from 'bun:test'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { recordName } from '../packages/installed-packages.ts'
import { root } from '../paths.ts'

const directory = mkdtempSync('/var/tmp/kata-ts-scripts-')
afterAll(() => rmSync(directory, { recursive: true }))

/** Each writes down how it was called; `kata-ts ps` and `systemctl is-active` say what the test wants. */
const doubles = [
  'systemctl',
  'deb-systemd-invoke',
  'systemd-sysusers',
  'systemd-tmpfiles',
  'groupdel',
  'getent',
]
mkdirSync(join(directory, 'bin'))
for (const name of [...doubles, 'kata-ts']) {
  const answer =
    name === 'kata-ts'
      ? 'case "$*" in *json*) printf "%s" "$LISTED" ;; ps*) printf "%s" "$RUNNING" ;; esac\n'
      : name === 'systemctl'
        ? '[ "$2" != is-active ] || [ -n "$ACTIVE" ]\n'
        : ''
  writeFileSync(join(directory, 'bin', name), `#!/bin/sh\necho ${name} "$@" >>/calls\n${answer}`)
  chmodSync(join(directory, 'bin', name), 0o755)
}

const wants = 'etc/systemd/system/sockets.target.wants'
mkdirSync(join(directory, 'layer'))
/** The host's files below a layer of memory: `$1` is run in it, and then what is left of our files is printed. */
const enter = `set -e
mount -t tmpfs tmpfs "$0/layer"
mkdir "$0/layer/up" "$0/layer/work" "$0/layer/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$0/layer/up,workdir=$0/layer/work" "$0/layer/root"
cp -r "$0/bin" "$0/layer/root/doubles"
cp "$1" "$0/layer/root/script"
shift
cd "$0/layer/root"
rm -rf run etc/kata-ts var/lib/kata-ts var/cache/kata-ts usr/local/bin/kata-ts opt/kata-ts
mv -f doubles/kata-ts usr/bin/kata-ts
mkdir -p run etc/kata-ts/config.d ${wants} var/lib/kata-ts/layers/a
touch var/lib/kata-ts/layers/a/file var/lib/kata-ts/layers/a/kata-file
for name in kata-ts other; do ln -sf "/usr/lib/systemd/system/$name.socket" "${wants}/$name.socket"; done
[ -z "$GONE" ] || rm usr/bin/kata-ts
[ -z "$OTHER" ] || install -D /dev/null ".$OTHER"
[ -z "$RUNS" ] || { install -D /dev/null ".$RUNS"; mkdir -p proc/77; ln -s "$RUNS" proc/77/exe; }
if [ -n "$UNIT" ]; then
  install -D /dev/null etc/systemd/system/kata-ts.service
  ln -s /etc/systemd/system/kata-ts.service ${wants}/
fi
[ -z "$SYSTEMD" ] || mkdir -p run/systemd/system
if [ -n "$ELSEWHERE" ]; then
  mkdir -p srv
  mv var/lib/kata-ts srv/kata-ts
  ln -s ../../srv/kata-ts var/lib/kata-ts
fi
[ -z "$VOLUME" ] || install -D /dev/null "var/lib/kata-ts/volumes/default/$VOLUME/_data/precious"
[ -z "$RECORD" ] || touch "var/lib/kata-ts/$RECORD"
[ -z "$SERVED" ] || { mkdir -p run/kata-ts/pool; exec 9<run/kata-ts/pool; flock 9; }
: >calls
code=0
PATH=/doubles:$PATH chroot . /bin/sh /script "$@" 9<&- >&2 || code=$?
cat calls
find etc/kata-ts var/lib/kata-ts srv/kata-ts/* ${wants} 2>/dev/null -name '*.socket' -o -name '*kata*' -o -name precious -o -name '*.json' | sort | sed 's/^/left: /'
exit $code`

function run(
  name: string,
  args: readonly string[],
  {
    systemd = true,
    running = '',
    listed = '[]',
    served = false,
    active = false,
    volume = '',
    other = '',
    /** The program of a process. */
    runs = '',
    unit = false,
    record = false,
    /** The state directory is a link to one of another disk. */
    elsewhere = false,
  } = {},
) {
  const answers = { RUNNING: running, LISTED: listed, ACTIVE: active ? '1' : '' }
  const state = {
    SYSTEMD: systemd ? '1' : '',
    SERVED: served ? '1' : '',
    VOLUME: volume,
    RECORD: record ? recordName : '',
    ELSEWHERE: elsewhere ? '1' : '',
  }
  // dpkg calls postrm when the package's program is gone.
  const programs = { GONE: name === 'postrm' ? '1' : '', OTHER: other, RUNS: runs, UNIT: unit ? '1' : '' }
  const script = join(root, 'packaging/debian', name)
  const { exitCode, stdout, stderr } = Bun.spawnSync(
    ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', enter, directory, script, ...args],
    { env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', ...state, ...programs, ...answers } },
  )
  const lines = stdout.toString().trimEnd().split('\n').filter(Boolean)
  return {
    exitCode,
    stderr: stderr.toString(),
    calls: lines.filter((line) => !line.startsWith('left: ')),
    left: lines.flatMap((line) => (line.startsWith('left: ') ? [line.slice('left: '.length)] : [])),
  }
}

const units =
  'kata-ts.socket kata-ts.service kata-ts-boot.service kata-ts-templates.service kata-ts-pool.service'

test('an installation makes groups and directories, and starts nothing', () => {
  expect(run('postinst', ['configure', ''])).toMatchObject({
    exitCode: 0,
    calls: [
      'systemd-sysusers kata-ts.conf kata-ts-service.conf',
      'systemd-tmpfiles --create kata-ts.conf',
      'systemctl --system daemon-reload',
    ],
  })
})

test('an installation names what goes before it: another program by the PATH, and units in /etc', () => {
  const said = (options = {}) => run('postinst', ['configure', ''], options).stderr
  expect(said()).not.toContain('warning')
  const inPlace = "are used in place of the package's files"
  expect(said({ unit: true })).toMatch(new RegExp(`${inPlace}.*: /etc/systemd/system/kata-ts.service\n`))
  // By the PATH of these tests, and not by it.
  for (const other of ['/usr/sbin/kata-ts', '/usr/local/bin/kata-ts'])
    expect(said({ other })).toMatch(new RegExp(`${inPlace}.*: ${other}\n`))
})

test('an upgrade makes services that run the new program, and touches nothing else', () => {
  expect(run('prerm', ['upgrade', '0.0.2']).calls).toEqual([])
  expect(run('postinst', ['configure', '0.0.1']).calls.slice(2)).toEqual([
    'systemctl --system daemon-reload',
    'deb-systemd-invoke try-restart kata-ts.service kata-ts-templates.service kata-ts-pool.service',
  ])
  expect(run('postinst', ['configure', '0.0.1'], { systemd: false }).calls).toHaveLength(2)
})

test('a removal stops the units, unless a sandbox runs', () => {
  const refused = run('prerm', ['remove'], { running: 'survivor' })
  expect(refused.exitCode).toBe(1)
  expect(refused.stderr).toContain('sandboxes are running')
  expect(refused.calls.join('\n')).not.toContain('stop')
  expect(run('prerm', ['remove']).calls.slice(-2)).toEqual(['kata-ts gc', `deb-systemd-invoke stop ${units}`])
  const removed = run('postrm', ['remove'])
  expect(removed.calls).toEqual(['systemctl --system daemon-reload'])
  expect(removed.left).toContain(`${wants}/kata-ts.socket`)
})

test('a container that its restart policy will start again keeps the package, too', () => {
  const [asked = ''] = run('prerm', ['remove']).calls
  for (const status of ['creating', 'running', 'paused', 'restarting', 'unresponsive'])
    expect(asked).toContain(`--filter status=${status}`)
})

test('a container that has ended or was not started keeps the package while a shim has its machine, and no other does', () => {
  const list = (shimPid: number | null) => JSON.stringify([{ id: 'web', status: 'created', shimPid }])
  expect(run('prerm', ['remove'], { listed: list(4711) })).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining('sandboxes are running'),
  })
  expect(run('prerm', ['remove'], { listed: list(null) }).exitCode).toBe(0)
})

test('machines that wait for pods keep the package, unless they end with their unit', () => {
  expect(run('prerm', ['remove'], { served: true })).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining('factory serve'),
  })
  expect(run('prerm', ['remove'], { served: true, systemd: false }).exitCode).toBe(1)
  expect(run('prerm', ['remove'], { served: true, active: true }).exitCode).toBe(0)
})

test('a purge takes links of enabled units, the group of the service and what was made at run time', () => {
  const purged = run('postrm', ['purge'])
  expect(purged).toMatchObject({ exitCode: 0, left: [`${wants}/other.socket`] })
  expect(purged.calls).toEqual([
    'systemctl --system daemon-reload',
    'getent group kata-ts',
    'groupdel kata-ts',
  ])
})

test('a purge leaves the files of volumes by name, and says where; one that was never finished goes', () => {
  const purged = run('postrm', ['purge'], { volume: 'data' })
  expect(purged).toMatchObject({
    exitCode: 0,
    left: [`${wants}/other.socket`, 'var/lib/kata-ts', 'var/lib/kata-ts/volumes/default/data/_data/precious'],
    stderr: expect.stringContaining('volumes stay in /var/lib/kata-ts/volumes'),
  })
  expect(run('postrm', ['purge'], { volume: '.draft' }).left).toEqual([`${wants}/other.socket`])
})

test('a purge leaves the record of the packages that set-up installed to the uninstallation that follows', () => {
  expect(run('postrm', ['purge'], { record: true })).toMatchObject({
    exitCode: 0,
    left: [`${wants}/other.socket`, 'var/lib/kata-ts', `var/lib/kata-ts/${recordName}`],
  })
})

test('a purge follows the link where the state directory is one, and leaves both', () => {
  const linked = { elsewhere: true, volume: 'data', record: true }
  expect(run('postrm', ['purge'], linked)).toMatchObject({
    exitCode: 0,
    left: [
      `${wants}/other.socket`,
      `srv/kata-ts/${recordName}`,
      'srv/kata-ts/volumes/default/data/_data/precious',
      'var/lib/kata-ts',
    ],
  })
  expect(run('postrm', ['purge'], { elsewhere: true }).left).toEqual([
    `${wants}/other.socket`,
    'var/lib/kata-ts',
  ])
})

test('a purge leaves what another kata-ts has by now, and takes the links of the package alone', () => {
  const installed = ['/usr/sbin/kata-ts', '/usr/local/bin/kata-ts', '/opt/kata-ts/bin/kata-ts']
  const shim = '/home/me/kata-ts/build/containerd-shim-kata-ts-v2'
  for (const state of [...installed.map((other) => ({ other })), { runs: shim }]) {
    const purged = run('postrm', ['purge'], { ...state, unit: true })
    expect(purged).toMatchObject({
      exitCode: 0,
      calls: ['systemctl --system daemon-reload'],
      stderr: expect.stringContaining(`${Object.values(state)[0]} is another kata-ts`),
    })
    expect(purged.left).toContain('var/lib/kata-ts')
    expect(purged.left).toContain(`${wants}/kata-ts.service`)
    expect(purged.left).not.toContain(`${wants}/kata-ts.socket`)
  }
})

test('every unit of the package is among them', () => {
  const shipped = readdirSync(join(root, 'packaging/systemd')).filter((name) =>
    /\.(service|socket)$/.test(name),
  )
  expect(units.split(' ').sort()).toEqual(shipped.sort())
  expect(readFileSync(join(root, 'packaging/debian/postrm'), 'utf8')).toContain(`in ${units};`)
})
