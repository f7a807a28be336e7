import { afterAll, beforeEach, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hasQuickjs, inQuickjs, sources } from '../system/in-quickjs.double.ts'
import { loadOnHost } from '../system/on-host.double.ts'

const top = mkdtempSync(join(tmpdir(), 'cgroup-'))
afterAll(() => rmSync(top, { recursive: true }))

const cgroup = { path: '/c', directory: join(top, 'c') }
const fileOf = (name: string) => join(cgroup.directory, name)

const { module, started } = await loadOnHost<typeof import('./cgroup.ts')>(
  'container/cgroup.ts',
  join(top, 'share'),
)
const { freezeCgroup, signalCgroup } = module

beforeEach(() => {
  mkdirSync(cgroup.directory, { recursive: true })
  writeFileSync(fileOf('cgroup.freeze'), '0')
})

/** What a kernel says of the cgroup that never gets any further. */
const stays = (frozen: 0 | 1) => writeFileSync(fileOf('cgroup.events'), `populated 1\nfrozen ${frozen}\n`)

test('a container that stops is left so', async () => {
  stays(1)
  await freezeCgroup(cgroup, true)
  expect(readFileSync(fileOf('cgroup.freeze'), 'utf8')).toBe('1')
})

test('a container that does not stop in time is not stopped later, either', async () => {
  stays(0)
  await expect(freezeCgroup(cgroup, true)).rejects.toThrow('the container did not stop within 10000 ms')
  expect(readFileSync(fileOf('cgroup.freeze'), 'utf8')).toBe('0')
})

test.each([
  ['runs', '0'],
  ['is paused', '1'],
])('a signal reaches all processes of a container that %s, which goes on as it was', (_what, freeze) => {
  mkdirSync(fileOf('a/b'), { recursive: true })
  writeFileSync(fileOf('cgroup.freeze'), freeze)
  writeFileSync(fileOf('cgroup.procs'), '7\n8\n')
  // One of threads has no such file that can be read.
  writeFileSync(fileOf('a/b/cgroup.procs'), '9\n')
  const before = started.length
  signalCgroup(cgroup, 15)
  expect(started.slice(before)).toEqual(['kill 7 15', 'kill 8 15', 'kill 9 15'])
  expect(readFileSync(fileOf('cgroup.freeze'), 'utf8')).toBe(freeze)
})

test.skipIf(!hasQuickjs)(
  'a signal for all opens no control file of a cgroup to learn that it is none',
  async () => {
    const many = join(top, 'many')
    for (const cgroup of ['.', 'a', 'a/b']) {
      mkdirSync(join(many, cgroup), { recursive: true })
      for (const file of ['freeze', 'procs', 'events', 'type'])
        writeFileSync(join(many, cgroup, `cgroup.${file}`), '')
    }
    const said = await inQuickjs(
      {
        imports: `import { signalCgroup } from ${JSON.stringify(join(sources, 'container/cgroup.ts'))}`,
        body: `signalCgroup({ path: '', directory: ${JSON.stringify(many)} }, 15)`,
      },
      `#include <dirent.h>
#include <unistd.h>
DIR *__real_opendir(const char *path);
DIR *__wrap_opendir(const char *path) { return write(1, "o", 1), __real_opendir(path); }`,
    )
    // A container may have made 4096 of them, with a hundred files each: the agent answers nobody meanwhile.
    expect(said).toBe('ooo')
  },
  60_000,
)
