import { describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { builtInConfig } from '../../config/load.ts'
import { unassignedEnd } from '../../config/unassigned-ids.ts'
import { testRange } from '../test-support.ts'
import { accountComment, blockOfUid, checkUidRange, checkUpperIds, uidBlock } from './uid-range.ts'

const range = { base: 0x70000000, blocks: 4091 }

function withEtc(file: string, text: string, body: (etc: string) => void): void {
  const etc = mkdtempSync(`${tmpdir()}/etc-`)
  writeFileSync(`${etc}/${file}`, text)
  try {
    body(etc)
  } finally {
    rmSync(etc, { recursive: true })
  }
}

describe('uid range', () => {
  test('block and uid lead to each other', () => {
    expect(uidBlock(range, 0)).toEqual({ k: 0, name: 'kata-0', first: 1879048192, uid: 1879113727 })
    expect(blockOfUid(range, uidBlock(range, 4090).uid)).toEqual(uidBlock(range, 4090))
    expect(blockOfUid(range, uidBlock(range, 3).uid - 1)).toBeUndefined()
    expect(blockOfUid(range, 1000)).toBeUndefined()
    expect(blockOfUid(range, Number.NaN)).toBeUndefined()
  })

  test.each([
    ['passwd', 'root:x:0:0::/:/bin/sh\neve:x:1879048200:100::/:/bin/sh\n', 2],
    ['group', 'eve:x:1879048200:\n', 1],
    ['subuid', 'eve:1879000000:65536\n', 1],
    ['subgid', '# comment\neve:1879048192:1\n', 2],
    ['passwd', `kata-7:x:1879048200:7:${accountComment}:/:/bin/sh\n`, 1],
    ['passwd', `kata-7:x:${uidBlock(range, 7).uid}:7:Eve:/:/bin/sh\n`, 1],
  ])('a foreign line of %s is named', (file, text, line) => {
    withEtc(file, text, (etc) =>
      expect(() => checkUidRange(range, etc)).toThrow(new RegExp(`UID_RANGE_OVERLAP.*${file} line ${line} `)),
    )
  })

  test.each([
    ['passwd', 'root:x:0:0::/:/bin/sh\neve:x:4294967294:100::/:/bin/sh\n', 2],
    ['group', 'eve:x:2147483648:\n', 1],
    ['subuid', 'eve:2147483647:2\n', 1],
    ['subgid', 'eve:100000:65536\neve:3000000000:65536\n', 2],
  ])('a line of %s with an id of the upper half is named', (file, text, line) => {
    withEtc(file, text, (etc) =>
      expect(() => checkUpperIds(etc)).toThrow(new RegExp(`UPPER_IDS_TAKEN.*${file} line ${line} `)),
    )
  })

  test.each(['subid: sss', ' subid:\tfiles sss # FreeIPA'])(
    'subordinate ids of a directory (%s) may be of the upper half',
    (text) => {
      withEtc('nsswitch.conf', `passwd: files sss\n${text}\n`, (etc) =>
        expect(() => checkUpperIds(etc)).toThrow(/UPPER_IDS_TAKEN.*nsswitch\.conf line 2 /),
      )
    },
  )

  test('all ids below are of the lower half', () => {
    withEtc('nsswitch.conf', 'subid: files [NOTFOUND=return] # sss\n# subid: sss\n', (etc) =>
      checkUpperIds(etc),
    )
    withEtc('passwd', 'eve:x:2147483647:100::/:/bin/sh\n', (etc) => checkUpperIds(etc))
    withEtc('subuid', 'eve:2147483646:2\n', (etc) => checkUpperIds(etc))
  })

  test('our own accounts and lines beside the range are no overlap', () => {
    const { uid, name } = uidBlock(range, 7)
    const text = `${name}:x:${uid}:${uid}:${accountComment}:/nonexistent:/usr/sbin/nologin\nx:x:1879048191:1::/:/\n`
    withEtc('passwd', text, (etc) => checkUidRange(range, etc))
    withEtc('subuid', 'eve:1878982656:65536\n', (etc) => checkUidRange(range, etc))
  })

  test('an account that a test of this room has left refuses no start by the built-in range', () => {
    const { rootlessUidBase: base, rootlessUidBlocks: blocks } = builtInConfig().hypervisor
    const left = uidBlock(testRange, testRange.blocks - 1)
    const text = `${left.name}:x:${left.uid}:${left.uid}:${accountComment}:/nonexistent:/usr/sbin/nologin\n`
    withEtc('passwd', text, (etc) => checkUidRange({ base, blocks }, etc))
  })

  test.each([
    { base: 0, blocks: 10 },
    { base: 65537, blocks: 1 },
    { base: 0x70000000, blocks: 4097 },
    { base: unassignedEnd, blocks: 1 },
    { base: 0x70000000, blocks: 0 },
  ])('an unusable range is refused: %p', (bad) => {
    expect(() => checkUidRange(bad)).toThrow('UID_RANGE_INVALID')
  })
})
