import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fakeHost } from '../../src/cli/check/fake-host.ts'
import { fixKvm } from '../../src/cli/check/fix-kvm.ts'
import { root } from '../paths.ts'
import { withLibraries } from './packages.ts'
import { programs } from './programs.ts'

const carried = Object.values(programs)
  .flat()
  .map((path) => basename(path))

/** Names of programs in calls of the functions that find them. A name that a host's administration needs alone is not carried. */
const call = /\b(?:findTool|systemTool|networkTool|diskTool|jailTool|tool)\('([\w.-]+)'\)/g
/** Only a shell that an account names, and never started. */
const named = ['nologin']

test('every program that the code starts is carried', async () => {
  const files = await Array.fromAsync(new Bun.Glob('src/**/*.ts').scan(root))
  const started = files
    .filter((path) => !/\.(test|double)\.ts$|testing/.test(path))
    .flatMap((path) => [...readFileSync(join(root, path), 'utf8').matchAll(call)].map(([, name]) => name!))
  expect(started.length).toBeGreaterThan(20)
  expect(started.filter((name) => !carried.includes(name) && !named.includes(name))).toEqual([])
})

test('what `check --fix-kvm` runs is carried, too', async () => {
  const asked: string[] = []
  const host = fakeHost({
    findTool(name) {
      asked.push(name)
      return `/opt/kata-ts/bin/${name}`
    },
    run: async () => ({ code: 0, text: '' }),
  })
  host.files.delete('/etc/group')
  await fixKvm(host)
  expect(asked).toEqual(['groupadd', 'chown', 'chmod'])
  expect(asked.filter((name) => !carried.includes(name))).toEqual([])
})

test('no program is started by a path of the host', async () => {
  const files = await Array.fromAsync(new Bun.Glob('src/**/*.ts').scan(root))
  const fixed = files
    .filter((path) => !/\.(test|double)\.ts$|test|fake-host/.test(path))
    .flatMap((path) => {
      const found = readFileSync(join(root, path), 'utf8').match(/(spawn(Sync)?|runTool)\(\[?\s*'\/[^']*'/g)
      return (found ?? []).map((text) => `${path}: ${text}`)
    })
  expect(fixed).toEqual([])
})

test('libraries are found through libraries, by the first alternative, and nothing else is', () => {
  const said = `vmm
  Depends: liba
 |Depends: libfirst
  Depends: libsecond
  Depends: adduser
  Depends: <libvirtual>
    libreal
liba
  PreDepends: zlib1g
  Depends: swtpm-libs
adduser
  Depends: libperl
zlib1g
  Depends: gcc-14-base
`
  expect(withLibraries(['vmm'], said)).toEqual([
    ...['gcc-14-base', 'liba', 'libfirst', 'swtpm-libs', 'vmm', 'zlib1g'],
  ])
})
