import { expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemPackages } from '../packages/system-packages.ts'
import { debianChangeLog } from './changelog.ts'
import { control, depends, libcVersion, recommends } from './control.ts'
import { writeDeb } from './deb.ts'
import { debianVersion, isReleased, sourceDateEpoch } from './debian-version.ts'
import { busyboxSource, bySource } from './sources.ts'

const commit = { name: 'abcdef012345', time: 1_700_000_000 }

test('versions of builds sort by their commits, before the release, as dpkg sorts them', () => {
  const older = debianVersion('1.0.0', commit, false)
  const newer = debianVersion('1.0.0', { name: '012345abcdef-dirty', time: 1_700_000_001 }, false)
  expect([older, newer]).toEqual([
    '1.0.0~git20231114221320.abcdef012345',
    '1.0.0~git20231114221321.012345abcdef.dirty',
  ])
  expect(debianVersion('1.0.0', { name: 'unknown', time: undefined }, false)).toBe('1.0.0~git0.unknown')
  expect(debianVersion('1.0.0', commit, true)).toBe('1.0.0')
  for (const [one, other] of [
    [older, newer],
    [newer, '1.0.0'],
    ['0.9.0', older],
  ] as const)
    expect(Bun.spawnSync(['dpkg', '--compare-versions', one, 'lt', other]).exitCode).toBe(0)
})

test('a version is released when the change log begins with it', () => {
  expect(isReleased('# Changes\n\n## 1.0.0, 2026-01-01\n', '1.0.0')).toBe(true)
  expect(isReleased('# Changes\n\n## Unreleased\n\n## 1.0.0\n', '1.0.0')).toBe(false)
})

test('the time is what the builder says, or the commit’s', () => {
  expect(sourceDateEpoch({ SOURCE_DATE_EPOCH: '12' }, commit)).toBe(12)
  expect(sourceDateEpoch({}, commit)).toBe(commit.time)
  expect(() => sourceDateEpoch({ SOURCE_DATE_EPOCH: 'now' }, commit)).toThrow('SOURCE_DATE_EPOCH')
})

test('control and change log name version, sources and libc', () => {
  const maintainer = 'a <a@example.org>'
  const builtUsing = bySource(['libcrun crun 1.21-1', 'crun crun 1.21-1', 'libc6:amd64 glibc 2.41-12'])
  expect(builtUsing.map(({ binaries }) => binaries)).toEqual([['crun', 'libcrun'], ['libc6']])
  const libc = libcVersion(Buffer.from('\0GLIBC_2.9\0GLIBC_2.17\0GLIBC_2.3.4\0'))
  const text = control({ version: '1.0.0', maintainer, installedSize: 5, libc, builtUsing })
  expect(text).toContain('Depends: libc6 (>= 2.17), qemu-system-x86, virtiofsd, ')
  expect(text).toContain('Built-Using: crun (= 1.21-1), glibc (= 2.41-12)\n')
  expect(busyboxSource('BusyBox v1.37.0 (Debian 1:1.37.0-6+b8) multi-call binary.')).toBe('1:1.37.0-6')
  expect(debianChangeLog({ version: '1.0.0', epoch: 0, maintainer })).toEndWith(
    ' -- a <a@example.org>  Thu, 01 Jan 1970 00:00:00 +0000\n',
  )
})

test('what kata-ts runs with comes with the package, or is recommended', () => {
  const named = [...depends, ...recommends]
  expect(Object.keys(systemPackages.run).filter((name) => !named.includes(name))).toEqual([])
})

test('equal contents are equal bytes, whenever they are packed, and whatever the umask', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'kata-deb-'))
  const before = process.umask()
  try {
    const make = async (name: string) => {
      const file = join(directory, `${name}.deb`)
      const deb = {
        contents: {
          'usr/bin/a': { bytes: 'a', mode: 0o755 },
          'usr/bin/b': { linkTo: 'a' },
          'etc/a.toml': { bytes: '' },
        },
        control: (kib: number) =>
          `Package: a\nVersion: 1\nArchitecture: all\nMaintainer: a <a@example.org>\nInstalled-Size: ${kib}\nDescription: a\n`,
        scripts: { postinst: '#!/bin/sh\n' },
        epoch: 1_700_000_000,
        compression: 'zstd' as const,
      }
      await writeDeb(file, join(directory, name), deb, { env: process.env })
      return file
    }
    const one = await make('one')
    process.umask(0o077)
    const other = await make('other')
    expect(readFileSync(one).equals(readFileSync(other))).toBe(true)
    const listed = Bun.spawnSync(['dpkg-deb', '--contents', one], {
      env: { TZ: 'UTC', PATH: process.env.PATH },
    })
    expect(listed.stdout.toString()).toContain(
      '-rwxr-xr-x root/root         1 2023-11-14 22:13 ./usr/bin/a\n',
    )
    expect(Bun.spawnSync(['dpkg-deb', '--info', one, 'conffiles']).stdout.toString()).toBe('/etc/a.toml\n')
  } finally {
    process.umask(before)
    rmSync(directory, { recursive: true })
  }
}, 60_000)
