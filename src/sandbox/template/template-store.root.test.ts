import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { nameUser } from '../../linux/acl.double.ts'
import { SyscallError } from '../../linux/libc.ts'
import { mount, unmountBelow } from '../../linux/mounts/mount.ts'
import { bootId } from '../../linux/processes/proc.ts'
import type { TemplateOrigin } from './template-facts.ts'
import {
  findTemplate,
  listTemplates,
  newTemplate,
  removeStaleTemplates,
  removeTemplates,
  type Template,
} from './template-store.ts'

const key = 'a'.repeat(64)
const { signal } = new AbortController()

let scratch: string
/** The directory that a configuration names. */
let path: string
beforeEach(() => {
  scratch = mkdtempSync(`${tmpdir()}/templates-`)
  path = `${scratch}/cache/templates`
})
afterEach(() => {
  unmountBelow(scratch)
  rmSync(scratch, { recursive: true })
})

const origin: TemplateOrigin = {
  key,
  madeAt: '2026-02-03T04:05:06.789Z',
  bootId: bootId(),
  vmm: '/usr/bin/qemu-system-x86_64',
  kernel: '/k',
  initrd: '/i',
  accelerator: 'kvm',
  vcpus: 1,
  memoryMiB: 256,
}

function make(content = 'the machine', of = key, boot = bootId()): Template {
  using fresh = newTemplate(path, of)
  writeFileSync(fresh.saved.state, content)
  return fresh.commit({ ...origin, key: of, bootId: boot })
}

const find = () => findTemplate(path, key)

/** Two changes of a file within one tick of the kernel's clock have one time. */
const nextTick = () => Bun.sleep(20)

describe('a template', () => {
  test('is found once it is committed, by root alone, and nothing else is left', () => {
    expect(find()).toBeUndefined()
    const made = make()
    expect(find()).toEqual(made)
    expect(made.saved.state).toBe(`${path}/${key}/state`)
    expect(findTemplate(path, 'b'.repeat(64))).toBeUndefined()
    expect(readdirSync(path)).toEqual([key])
    for (const directory of [path, `${path}/${key}`]) expect(statSync(directory).mode & 0o777).toBe(0o700)
    expect(made.facts).toMatchObject({ version: 2, saved: { state: { bytes: 11 } } })
  })

  test('that is not committed leaves nothing', () => {
    {
      using fresh = newTemplate(path, key)
      writeFileSync(fresh.saved.state, 'half of')
      expect(listTemplates(path)).toEqual([])
    }
    expect(readdirSync(path)).toEqual([])
  })

  test('takes the place of an older one, whatever stands there', () => {
    make('the former')
    expect(readFileSync(make().saved.state, 'utf8')).toBe('the machine')
    for (const occupy of [
      () => symlinkSync('/nonexistent', `${path}/${key}`),
      () => writeFileSync(`${path}/${key}`, 'a file'),
    ]) {
      rmSync(`${path}/${key}`, { recursive: true })
      occupy()
      expect(make().facts).toEqual(find()!.facts)
    }
    expect(readdirSync(path)).toEqual([key])
  })

  test('whose machine is not there, or not root’s, is not committed', () => {
    using fresh = newTemplate(path, key)
    writeFileSync(fresh.saved.state, 'the machine')
    chownSync(fresh.saved.state, 1234, 0)
    expect(() => fresh.commit(origin)).toThrow('[TEMPLATE_FOREIGN]')
    rmSync(fresh.saved.state)
    expect(() => fresh.commit(origin)).toThrow('[TEMPLATE_DAMAGED]')
    expect(find()).toBeUndefined()
  })

  test('does not fit on a full disk, which is told', () => {
    mkdirSync(path, { recursive: true, mode: 0o700 })
    mount({ source: 'tmpfs', target: path, type: 'tmpfs', flags: 0, data: 'mode=0700,size=4k' })
    {
      using fresh = newTemplate(path, key)
      writeFileSync(fresh.saved.state, 'x'.repeat(4096))
      expect(() => fresh.commit(origin)).toThrow(
        `[TEMPLATE_DISK_FULL] no space is left for a machine template in ${path}`,
      )
    }
    expect(readdirSync(path)).toEqual([])
  })
})

describe('what is not root’s counts for nothing', () => {
  const owned: [string, (name: string) => void, string][] = [
    ['of another user', (name) => chownSync(name, 1234, 0), 'belongs to uid 1234'],
    ['open to a group', (name) => chmodSync(name, 0o770), 'can be written by others than root (mode 770)'],
    ['open by an access list', (name) => nameUser(name, 1000, 7), 'can be written by others than root'],
    ['open to all', (name) => chmodSync(name, 0o722), 'can be written by others than root (mode 722)'],
    [
      'behind a link',
      (name) => {
        renameSync(name, `${name}.real`)
        symlinkSync(`${name}.real`, name)
      },
      'is a symbolic link',
    ],
  ]
  for (const [name, inPath] of [
    ['the directory of all', ''],
    ['its own directory', `/${key}`],
    ['the saved machine', `/${key}/state`],
    ['its facts', `/${key}/template.json`],
  ] as const)
    test.each(owned)(`${name}, %s`, (_, spoil, reason) => {
      make()
      spoil(path + inPath)
      expect(find).toThrow(/^\[TEMPLATE_FOREIGN\] .*kata-ts factory destroy.*kata-ts factory init/)
      expect(find).toThrow(`${path}${inPath} cannot be trusted as a part of a machine template: it ${reason}`)
    })

  test('a directory in place of a file, and a file in place of a directory', () => {
    make()
    rmSync(`${path}/${key}/state`)
    mkdirSync(`${path}/${key}/state`)
    expect(find).toThrow('is no regular file')
    rmSync(`${path}/${key}`, { recursive: true })
    writeFileSync(`${path}/${key}`, '')
    expect(find).toThrow('is no directory')
  })

  test('nothing is made in a directory of another user', () => {
    mkdirSync(path, { recursive: true })
    chownSync(path, 1234, 0)
    expect(() => newTemplate(path, key)).toThrow('[TEMPLATE_FOREIGN]')
    expect(readdirSync(path)).toEqual([])
  })
})

describe('a template whose memory is a file of its own', () => {
  const makeApart = (): Template => {
    using fresh = newTemplate(path, key)
    writeFileSync(fresh.saved.state, 'the machine')
    writeFileSync(fresh.saved.memory, 'its memory', { mode: 0o444 })
    return fresh.commit(origin)
  }

  test('is found with both files', () => {
    const made = makeApart()
    const recorded = made.facts.saved.state
    expect(made.saved).toEqual({ state: `${path}/${key}/state`, recorded, memory: `${path}/${key}/memory` })
    expect(made.facts.saved.memory).toMatchObject({ bytes: 10 })
    expect(find()).toEqual(made)
    // The control: without one there is none.
    const alone = make()
    expect(alone.saved).toEqual({ state: `${path}/${key}/state`, recorded: alone.facts.saved.state })
  })

  test.each<[string, (memory: string) => void, string]>([
    ['gone', (memory) => rmSync(memory), 'it is not there'],
    ['cut short', (memory) => truncateSync(memory, 3), 'it has 3 bytes, recorded are 10'],
    ['written to', (memory) => writeFileSync(memory, 'its menory'), 'it was changed since it was saved'],
    ['others’ to write', (memory) => chmodSync(memory, 0o666), 'can be written by others than root'],
    ['another user’s', (memory) => chownSync(memory, 1234, 0), 'belongs to uid 1234'],
  ])('is refused when that is %s', async (_, spoil, reason) => {
    const { memory } = makeApart().saved
    await nextTick()
    spoil(memory!)
    expect(find).toThrow(reason)
  })
})

describe('what is damaged is refused', () => {
  const file = () => `${path}/${key}/template.json`
  const change = (changes: object) =>
    writeFileSync(file(), JSON.stringify({ ...JSON.parse(readFileSync(file(), 'utf8')), ...changes }))

  test.each<[string, () => void, string]>([
    ['without its machine', () => rmSync(`${path}/${key}/state`), 'it is not there'],
    ['without its facts', () => rmSync(file()), 'it is not there'],
    ['cut short', () => truncateSync(`${path}/${key}/state`, 3), 'it has 3 bytes, recorded are 11'],
    ['no JSON', () => writeFileSync(file(), '{'), 'expected JSON'],
    ['of another key', () => change({ key: 'b'.repeat(64) }), 'it is about another template, bbbb'],
    ['of another version', () => change({ version: 1 }), 'version: expected 2'],
    ['with a key that is none', () => change({ key: '../x' }), 'key: expected 64 hexadecimal digits'],
    ['with a time that is none', () => change({ madeAt: 'now' }), 'madeAt: expected a time'],
    [
      'with an accelerator that is none',
      () => change({ accelerator: 'xen' }),
      'accelerator: expected "kvm" or',
    ],
    ['without memory', () => change({ memoryMiB: 0 }), 'memoryMiB: expected a whole number above 0'],
    ['with a long path', () => change({ kernel: 'x'.repeat(5000) }), 'kernel: expected a string of at most'],
  ])('%s', (_, spoil, reason) => {
    make()
    spoil()
    expect(find).toThrow(/^\[TEMPLATE_DAMAGED\] .*kata-ts factory init.*kata-ts factory destroy/)
    expect(find).toThrow(reason)
  })

  test('other bytes of the same length, with the time of the former ones', async () => {
    const { state } = make().saved
    await nextTick()
    const { atime, mtime } = statSync(state)
    writeFileSync(state, 'the mackine')
    utimesSync(state, atime, mtime)
    expect(find).toThrow('it was changed since it was saved')
  })
})

describe('all templates', () => {
  const other = 'b'.repeat(64)

  test('are listed, each with its facts or what is wrong with it', () => {
    expect(listTemplates(path)).toEqual([])
    const made = make()
    make('the other', other)
    writeFileSync(`${path}/${other}/template.json`, '[]')
    writeFileSync(`${path}/notes`, 'of somebody')
    expect(listTemplates(path)).toEqual([
      { key, template: made },
      { key: other, error: expect.objectContaining({ code: 'TEMPLATE_DAMAGED' }) },
    ])
  })

  test('are removed with what an interrupted making left, and nothing else', async () => {
    expect(await removeTemplates(path)).toEqual([])
    make()
    newTemplate(path, other)
    mkdirSync(`${scratch}/elsewhere`)
    symlinkSync(`${scratch}/elsewhere`, `${path}/${other}`)
    writeFileSync(`${path}/notes`, 'of somebody')
    expect(await removeTemplates(path)).toEqual([key, other])
    expect(readdirSync(path)).toEqual(['notes'])
    expect(existsSync(`${scratch}/elsewhere`)).toBe(true)
    rmSync(`${path}/notes`)
    expect(await removeTemplates(path, signal)).toEqual([])
    expect(existsSync(path)).toBe(false)
  })
})

describe('templates that no pod can become a clone of again', () => {
  const [other, third] = ['b'.repeat(64), 'c'.repeat(64)]
  const earlier = '01234567-89ab-cdef-0123-456789abcdef'

  test('are those of another boot and what interrupted makings left; each of this boot stays', async () => {
    expect(await removeStaleTemplates(path, bootId())).toEqual([])
    make()
    make('of another configuration', other)
    make('of an earlier boot', third, earlier)
    newTemplate(path, third)
    writeFileSync(`${path}/notes`, 'of somebody')
    expect(await removeStaleTemplates(path, bootId(), signal)).toEqual([third])
    expect(readdirSync(path).sort()).toEqual([key, other, 'notes'])
    expect([find(), findTemplate(path, other)].map((found) => found?.facts.key)).toEqual([key, other])
  })

  test('go on being removed where that could not be ended', async () => {
    make('of an earlier boot', third, earlier)
    mkdirSync(`${path}/${third}/held`)
    mount({ source: 'tmpfs', target: `${path}/${third}/held`, type: 'tmpfs', flags: 0 })
    const failure = await removeStaleTemplates(path, bootId()).catch((error) => error)
    expect(failure).toBeInstanceOf(SyscallError)
    expect(readdirSync(path)).toEqual([`.new-${third}`])
    unmountBelow(path)
    make('of an earlier boot', third, earlier)
    expect(await removeStaleTemplates(path, bootId())).toEqual([third])
    expect(readdirSync(path)).toEqual([])
  })

  test('a machine that has one open reads on', async () => {
    const { state } = make('of an earlier boot', third, earlier).saved
    const fd = openSync(state, 'r')
    try {
      expect(await removeStaleTemplates(path, bootId())).toEqual([third])
      expect(readFileSync(fd, 'utf8')).toBe('of an earlier boot')
    } finally {
      closeSync(fd)
    }
  })

  test.each<[string, () => void]>([
    ['its facts are damaged', () => writeFileSync(`${path}/${third}/template.json`, '{')],
    ['its facts are of another', () => renameSync(`${path}/${third}`, `${path}/${other}`)],
    ['it is not root’s', () => chownSync(`${path}/${third}`, 1234, 0)],
    ['its facts are not root’s', () => chownSync(`${path}/${third}/template.json`, 1234, 0)],
    [
      'it is a link',
      () => {
        renameSync(`${path}/${third}`, `${scratch}/elsewhere`)
        symlinkSync(`${scratch}/elsewhere`, `${path}/${third}`)
      },
    ],
  ])('one stays for a person to see where %s', async (_, spoil) => {
    make('of an earlier boot', third, earlier)
    spoil()
    expect(await removeStaleTemplates(path, bootId())).toEqual([])
    expect(readdirSync(path)).toHaveLength(1)
  })
})
