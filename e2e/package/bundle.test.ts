/** The bundle, on a system that has a kernel and a shell and nothing else, and on a Debian that has no packages for kata-ts. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { chmodSync, copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeBundle } from '../../setup/bundle/bundle.ts'
import { provideBareDebian } from '../../setup/packages/bare-debian.ts'
import { busyboxPath } from '../../setup/paths.ts'
import { silentProgress } from '../../src/guest-image/progress.ts'
import { ownDirectory } from '../harness/directories.ts'
import { slow } from '../harness/time.ts'
import { InnerRoot } from './inner-root.ts'

const directory = ownDirectory('/var/tmp/kata-ts-bundle-')
let bundle: string

beforeAll(async () => {
  mkdirSync(directory, { recursive: true })
  const made = await makeBundle(
    { outDir: directory, unpacked: true, version: '0.0.1' },
    { progress: silentProgress, tools: { env: process.env } },
  )
  bundle = `/mnt/${made.path.slice(directory.length + 1)}/opt`
}, slow(300_000))

/** busybox, the two account files that every Linux has, and nothing else. */
function nothingButAShell(): string {
  const root = join(directory, 'nothing')
  for (const name of ['bin', 'etc', 'dev', 'proc', 'sys', 'opt'])
    mkdirSync(join(root, name), { recursive: true })
  copyFileSync(busyboxPath, join(root, 'bin/busybox'))
  chmodSync(join(root, 'bin/busybox'), 0o755)
  for (const name of ['sh', 'cat', 'cp', 'find', 'grep', 'ln', 'ls', 'mkdir', 'mount', 'readlink', 'sed'])
    symlinkSync('busybox', join(root, 'bin', name))
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0:root:/:/bin/sh\n')
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\n')
  return root
}

const systems: readonly (readonly [string, () => string | Promise<string>])[] = [
  ['a system with a shell alone', nothingButAShell],
  ['Debian 12', () => provideBareDebian('bookworm', [])],
]

for (const [name, lower] of systems) {
  let system: InnerRoot | undefined
  afterAll(() => system?.close())

  test(
    `${name}: a container runs, its VMM sees the bundle and nothing of the system, and nothing is left`,
    async () => {
      system = new InnerRoot(await lower(), directory)
      await system.ready()
      const must = async (line: string): Promise<string> => {
        const { code, output } = await system!.run(line)
        expect({ line, code, output }).toMatchObject({ line, code: 0 })
        return output
      }
      await must(`mkdir -p /opt/kata-ts && /mnt/busybox mount -o bind ${bundle}/kata-ts /opt/kata-ts`)
      await must(
        'mkdir -p /usr/local/bin /etc/kata-ts && ln -s /opt/kata-ts/bin/kata-ts /usr/local/bin/kata-ts',
      )
      const changes = 's/^accelerator = .*/accelerator = "auto"/; s/^enable_tpm = .*/enable_tpm = true/'
      const shipped = '/opt/kata-ts/share/kata-ts/configuration.toml'
      expect(await must('kata-ts config show')).toContain(shipped)
      await must(`sed '${changes}' ${shipped} >/etc/kata-ts/configuration.toml`)
      const accounts = await must('cat /etc/passwd /etc/group')
      await must('kata-ts run -d --name one -- sleep 10000')
      expect(await must('kata-ts exec one -- echo alive')).toBe('alive\n')
      expect(await must('kata-ts exec one -- ip addr')).toContain('eth0')
      expect(
        [...(await must('kata-ts audit')).matchAll(/^([\w-]+), process \d+: as asked for$/gm)].map(
          ([, name]) => name,
        ),
      ).toEqual(expect.arrayContaining(['vmm', 'virtiofsd', 'swtpm', 'pasta', 'shim']))
      // The registry of that name is nowhere, which skopeo says.
      const pull = await system.run('kata-ts run --rm registry.invalid/name true')
      expect(pull).toMatchObject({ code: 125, output: expect.stringContaining('PULL_') })
      const seen = await must(
        'for p in /proc/[0-9]*; do case $(readlink $p/exe) in */qemu-system-x86_64) cat $p/mountinfo;; esac; done',
      )
      const points = seen.split('\n').flatMap((line) => line.split(' ')[4] ?? [])
      expect(points.filter((point) => !point.startsWith('/opt/kata-ts/')).sort()).toEqual([
        ...['/', '/boot/initrd', '/boot/vmlinux', '/dev/urandom'],
      ])
      expect(points.filter((point) => point.startsWith('/opt/kata-ts/')).sort()).toEqual(
        ['bash', 'env', 'qemu-system-x86_64', 'setpriv', 'unshare']
          .map((program) => `/opt/kata-ts/bin/${program}`)
          .concat('/opt/kata-ts/lib'),
      )
      await must('kata-ts rm -f one')
      expect(await must('cat /etc/passwd /etc/group')).toBe(accounts)
      expect(await must('ls /run/kata-ts/default /run/kata-ts/uids /run/user')).not.toContain('one')
    },
    slow(240_000),
  )
}
