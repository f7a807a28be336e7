/**
 * The programs of a release are the same bytes, wherever they are compiled. `npm run release -- --twice` compares all of a release; this is
 * the part of it that depends on the sources.
 */
import { afterAll, expect, test } from 'bun:test'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { busyboxPath, noBusybox, root } from './paths.ts'

const directory = mkdtempSync('/var/tmp/kata-ts-programs-')
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const programs = ['kata-ts', 'kata-agent', 'libsystemd-stub.so', 'container-init']
const script = `
const { programSteps } = await import(process.cwd() + '/setup/steps.ts')
const { silentProgress } = await import(process.cwd() + '/src/guest-image/progress.ts')
for (const step of programSteps) if (step.name !== 'busybox') await step.run(silentProgress)`

/** The sources, the packages that are compiled in, and busybox, which is Debian's. */
function checkout(place: string): string {
  const copy = join(directory, place)
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  for (const path of [
    ...['src', 'guest', 'setup', 'package.json', 'package-lock.json', 'tsconfig.json'],
    ...Object.keys(dependencies).map((name) => `node_modules/${name}`),
    busyboxPath.slice(root.length + 1),
  ]) {
    mkdirSync(dirname(join(copy, path)), { recursive: true })
    cpSync(join(root, path), join(copy, path), { recursive: true })
  }
  return copy
}

/** Checksums of the programs. */
async function compile(place: string, umask: string): Promise<Record<string, string>> {
  const cwd = checkout(place)
  const child = Bun.spawn(['sh', '-c', `umask ${umask}; exec "$@"`, 'sh', process.execPath, '-e', script], {
    cwd,
    stdout: 'inherit',
    stderr: 'inherit',
    env: { PATH: process.env.PATH, HOME: process.env.HOME },
  })
  expect(await child.exited).toBe(0)
  const sum = (name: string) =>
    new Bun.CryptoHasher('sha256').update(readFileSync(join(cwd, 'build', name))).digest('hex')
  return Object.fromEntries(programs.map((name) => [name, sum(name)]))
}

test.skipIf(noBusybox !== '')(
  `compiled in two places, under two umasks, they are equal${noBusybox}`,
  async () => {
    const one = await compile('one', '022')
    // Another length, too: nothing in a file may move.
    expect(await compile('another/place/with/a/longer/name', '077')).toEqual(one)
    expect(new Set(Object.values(one)).size).toBe(programs.length)
  },
  300_000,
)
