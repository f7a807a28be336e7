import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { KataError } from '../../errors.ts'
import { makeFifo } from '../../linux/files/fifo.ts'
import { deathLine, mostMessageBytes, writeTerminationMessage } from './termination-message.ts'

let directory: string
let file: string
beforeEach(() => {
  directory = mkdtempSync(`${tmpdir()}/termination-`)
  file = `${directory}/0a1b2c3d`
})
afterEach(() => rmSync(directory, { recursive: true }))

describe('a message', () => {
  const write = (message: Uint8Array | string) => writeTerminationMessage(file, message)

  test('goes into the empty file', () => {
    writeFileSync(file, '')
    write('[CODE] why')
    expect(readFileSync(file, 'utf8')).toBe('[CODE] why')
  })

  test('is cut at what the kubelet reads, never within a character', () => {
    writeFileSync(file, '')
    write(`x${'€'.repeat(2000)}`)
    expect(readFileSync(file, 'utf8')).toBe(`x${'€'.repeat((mostMessageBytes - 1) / 3)}`)
    expect(statSync(file).size).toBe(mostMessageBytes)
  })

  test('leaves what the container wrote', () => {
    writeFileSync(file, 'mine')
    write('ours')
    expect(readFileSync(file, 'utf8')).toBe('mine')
  })

  test('makes no file', () => {
    expect(() => write('x')).toThrow('ENOENT')
  })

  test('is not written through a symbolic link, into a FIFO, a directory or a file of another name', () => {
    const target = `${directory}/target`
    writeFileSync(target, '')
    symlinkSync(target, file)
    expect(() => write('x')).toThrow('[SOURCE_LINK]')
    rmSync(file)
    makeFifo(file)
    expect(() => write('x')).toThrow('it is no ordinary file')
    rmSync(file)
    linkSync(target, file)
    expect(() => write('x')).toThrow('[TERMINATION_FILE_INVALID]')
    expect(() => writeTerminationMessage(directory, 'x')).toThrow('it is no ordinary file')
    expect(() => writeTerminationMessage('/dev/null', 'x')).toThrow('it is no ordinary file')
    expect(readFileSync(target, 'utf8')).toBe('')
  })
})

test('a message goes through no link on the way to its file, which a pod may have made', () => {
  const other = `${directory}/other`
  mkdirSync(other)
  writeFileSync(`${other}/0a1b2c3d`, '')
  symlinkSync(other, `${directory}/container`)
  const through = `${directory}/container/0a1b2c3d`
  expect(() => writeTerminationMessage(through, 'x')).toThrow('[SOURCE_LINK]')
  expect(readFileSync(through, 'utf8')).toBe('')
  writeTerminationMessage(`${other}/0a1b2c3d`, 'x')
  expect(readFileSync(through, 'utf8')).toBe('x')
})

test('a death is told on one line; a want of the host’s memory by the code and remedy of that', () => {
  const memory = new KataError('CGROUP_OUT_OF_MEMORY', { sandbox: 's', path: '/pod', limitMiB: 256 })
  const fields = { id: 's', reason: 'its guest reset itself', tail: 'one\n\x1b[31mtwo' }
  expect(deathLine(new KataError('SANDBOX_DIED', fields, { cause: memory }))).toBe(memory.message)
  const line = deathLine(new KataError('SANDBOX_DIED', fields))
  expect(line).toStartWith('[SANDBOX_DIED] sandbox s died: its guest reset itself. ')
  expect(line).toEndWith('say more: one  [31mtwo')
})
