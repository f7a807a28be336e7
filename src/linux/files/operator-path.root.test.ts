import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { chmodSync, chownSync, lstatSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { lookAtOperatorPath, openOperatorPath } from './operator-path.ts'

let directory: string
const made: string[] = []
beforeEach(() => {
  directory = mkdtempSync(`${tmpdir()}/operator-`)
  mkdirSync(`${directory}/there`)
})
afterEach(() => {
  for (const path of [directory, ...made.splice(0)]) rmSync(path, { recursive: true })
})

function link(target: string, path: string): string {
  symlinkSync(target, path)
  made.push(path)
  return path
}

const opened = (path: string): string => lookAtOperatorPath(path).path

describe('the path that an operator names', () => {
  test('leads where it says, links of the system included', () => {
    expect(opened(`${directory}/there/../there/`)).toBe(`${directory}/there`)
    expect(lstatSync('/var/run').isSymbolicLink()).toBe(true)
    expect(opened('/var/run')).toBe('/run')
    const absolute = link(`${directory}/there`, `/var/lib/operator-${process.pid}`)
    expect(opened(absolute)).toBe(`${directory}/there`)
    const relative = link(`lib/../lib/operator-${process.pid}`, `/var/operator-${process.pid}`)
    expect(opened(`${relative}/../there`)).toBe(`${directory}/there`)
  })

  test.each([
    ['in a directory of anybody', 'link', ''],
    ['before the end', 'link', '/there'],
    ['beside a way upwards', 'link', '/..'],
  ])('is refused at a link %s', (_, name, rest) => {
    symlinkSync(directory, `${directory}/${name}`)
    expect(() => openOperatorPath(`${directory}/${name}${rest}`)).toThrow(
      /^\[SOURCE_LINK\] .*operator-\w+\/link in its path/,
    )
  })

  test("is refused at a pod's link behind one of the system's", () => {
    symlinkSync('/etc', `${directory}/there/evil`)
    const first = link(`${directory}/there`, `/var/lib/operator-${process.pid}`)
    expect(() => openOperatorPath(`${first}/evil/passwd`)).toThrow(
      /^\[SOURCE_LINK\] .*there\/evil in its path/,
    )
  })

  test("is refused at a link in a directory of the system's that others put their own below, and beside it is not", () => {
    const others = ['dev/shm', 'dev/hugepages', 'dev/mqueue', 'usr/local', 'usr/share', 'usr/src'].map(
      (name) => `/${name}`,
    )
    // In memory, and not every host has all of them.
    const program = `
      const { existsSync, mkdirSync, symlinkSync } = await import('node:fs')
      const { mount } = await import('${import.meta.dir}/../mounts/mount.ts')
      const { openOperatorPath } = await import('${import.meta.dir}/operator-path.ts')
      for (const target of ['/dev', '/usr/local', '/usr/share', '/usr/src'].filter((path) => existsSync(path)))
        mount({ source: 'none', target, type: 'tmpfs' })
      const outcome = (place) => {
        mkdirSync(place + '/own', { recursive: true })
        for (const directory of [place, place + '/own']) symlinkSync('/etc', directory + '/link')
        return [place, place + '/own'].map((directory) => {
          try {
            return openOperatorPath(directory + '/link/passwd') > 0
          } catch (error) {
            return error.code
          }
        })
      }
      console.log(JSON.stringify(${JSON.stringify(['/dev/disk', ...others])}.map(outcome)))`
    const argv = ['unshare', '--mount', '--propagation', 'private', process.execPath, '-e', program]
    const { stdout } = Bun.spawnSync(argv, { stderr: 'inherit' })
    expect(JSON.parse(stdout.toString())).toEqual([
      [true, true],
      ...others.map(() => ['SOURCE_LINK', 'SOURCE_LINK']),
    ])
  })

  test.each<[string, (place: string) => void]>([
    ['others may write to', (place) => chmodSync(place, 0o777)],
    ['a group may write to', (place) => chmodSync(place, 0o770)],
    ['another user owns', (place) => chownSync(place, 65534, 0)],
  ])("is refused at a link in a directory of the system's that %s", (_, open) => {
    const place = mkdtempSync('/usr/lib/operator-')
    try {
      symlinkSync(directory, `${place}/link`)
      expect(opened(`${place}/link/there`)).toBe(`${directory}/there`)
      open(place)
      expect(() => openOperatorPath(`${place}/link/there`)).toThrow(
        /^\[SOURCE_LINK\].*users other than root can write to/,
      )
    } finally {
      rmSync(place, { recursive: true })
    }
  })

  test('is refused at a link of another user, wherever it lies', () => {
    const path = link(`${directory}/there`, `/var/lib/operator-${process.pid}`)
    Bun.spawnSync(['/usr/bin/chown', '-h', '65534', path])
    expect(() => openOperatorPath(path)).toThrow(/^\[SOURCE_LINK\].*does not belong to root/)
  })

  test('that is missing, or goes in circles, is told by its errno', () => {
    expect(() => openOperatorPath(`${directory}/none`)).toThrow('ENOENT')
    const path = link(`operator-${process.pid}`, `/var/lib/operator-${process.pid}`)
    expect(() => openOperatorPath(path)).toThrow('ELOOP')
    expect(() => openOperatorPath('/proc/self/cwd')).toThrow(/^\[SOURCE_LINK\]/)
  })

  test('a name that is swapped for a link while it is opened is never followed', async () => {
    mkdirSync(`${directory}/moving`)
    // One process: what a shell starts would go on in the directory once the shell is killed.
    const swap =
      'rename "moving", "aside"; symlink "/etc", "moving"; unlink "moving"; rename "aside", "moving"'
    const swapper = Bun.spawn(['/usr/bin/perl', '-e', `while (1) { ${swap} }`], {
      cwd: directory,
      stdio: ['ignore', 'ignore', 'ignore'],
    })
    const seen = new Set<string>()
    try {
      // On a busy host it may be a while until it has its first turn.
      const isEnough = (tries: number) => tries >= (seen.has('SOURCE_LINK') ? 3000 : 100_000)
      for (let tries = 0; !isEnough(tries); tries++) {
        try {
          seen.add(opened(`${directory}/moving`))
        } catch (error) {
          seen.add((error as { code: string }).code)
        }
        if (tries % 100 === 0) await Bun.sleep(1)
      }
    } finally {
      swapper.kill('SIGKILL')
      await swapper.exited
    }
    expect([...seen].filter((path) => path.startsWith('/etc'))).toEqual([])
    expect(seen.has('SOURCE_LINK')).toBe(true)
  })
})
