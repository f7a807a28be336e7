/** Set-up says on which systems it cannot work before it downloads anything. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

let directory: string
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'supported-debian-'))
})
afterAll(() => rmSync(directory, { recursive: true }))

/** A system with this os-release, whose apt knows these packages and versions. */
function onSystem(osRelease: string, packages: Readonly<Record<string, string>> = {}) {
  writeFileSync(join(directory, 'os-release'), osRelease)
  const known = Object.entries(packages).map(
    ([name, version]) => `  ${name}) printf 'Package: ${name}\\nVersion: ${version}\\n' ;;`,
  )
  const program = (name: string, text: string) => {
    writeFileSync(join(directory, name), `#!/bin/sh\n${text}\n`)
    chmodSync(join(directory, name), 0o755)
  }
  program('apt-cache', `case $2 in\n${known.join('\n')}\n  *) exit 100 ;;\nesac`)
  program('uname', 'echo x86_64')
  const { exitCode, stderr } = Bun.spawnSync(
    ['sh', join(import.meta.dir, 'supported-debian.sh'), join(directory, 'os-release')],
    { env: { PATH: `${directory}:/usr/bin:/bin` } },
  )
  return { exitCode, said: stderr.toString() }
}

const debian = (version: string) => `PRETTY_NAME="Debian GNU/Linux"\nID=debian\n${version}\n`
const derivative = 'PRETTY_NAME="Derived 24"\nID=derived\nID_LIKE="derived debian"\nVERSION_ID="24.04"\n'
const packages = { virtiofsd: '1.10.0-1', 'qemu-system-x86': '1:8.2.2+ds-0', quickjs: '2021.03.27-1' }

test.each(['VERSION_ID="13"', 'VERSION_ID="14"', ''])('Debian with %p is taken', (version) => {
  expect(onSystem(debian(version))).toEqual({ exitCode: 0, said: '' })
})

test('Debian 12 is told what it lacks, and of the bundle', () => {
  const { exitCode, said } = onSystem(debian('VERSION_ID="12"'), packages)
  expect(exitCode).toBe(1)
  expect(said).toContain('set-up stopped: this is Debian 12, which has no package virtiofsd')
  expect(said).toContain('docs/how-to/bundle.md')
})

test('a derivative is judged by what its apt has, not by its number', () => {
  expect(onSystem(derivative, packages)).toEqual({ exitCode: 0, said: '' })
  const { virtiofsd: _, ...withoutDaemon } = packages
  const lacking = onSystem(derivative, withoutDaemon)
  expect(lacking.exitCode).toBe(1)
  expect(lacking.said).toContain('this is Derived 24, whose apt knows no package virtiofsd')
  expect(lacking.said).toContain('apt-get update')
  expect(lacking.said).toContain('docs/how-to/bundle.md')
})

test('a derivative with an old QEMU is told so', () => {
  const { exitCode, said } = onSystem(derivative, { ...packages, 'qemu-system-x86': '1:6.2+dfsg-2' })
  expect(exitCode).toBe(1)
  expect(said).toContain('whose QEMU is version 6, older than 8.0')
})

test('another distribution is told of the bundle', () => {
  const { exitCode, said } = onSystem('PRETTY_NAME="Other 1"\nID=other\nVERSION_ID=1\n')
  expect(exitCode).toBe(1)
  expect(said).toContain('this is not Debian but: Other 1')
  expect(said).toContain('docs/how-to/bundle.md')
})
