import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import {
  closeSync,
  constants,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeFifo } from '../../linux/files/fifo.ts'
import { watchOpenFiles } from '../../linux/files/open-files.double.ts'
import { heldInput } from '../../sandbox/records/held-input.ts'
import { logUri } from '../../sandbox/records/log-files.ts'
import { openInput, openOutput } from './stdio.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'stdio-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

const bytes = (text: string) => new TextEncoder().encode(text)

function fifo(): string {
  const path = join(directory, 'fifo')
  makeFifo(path)
  return path
}

async function textOf(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const chunk of chunks) text += decoder.decode(chunk, { stream: true })
  return text
}

describe('output', () => {
  test('no URI takes everything and keeps nothing', async () => {
    const sink = openOutput('')
    await sink.write(bytes('lost'))
    await sink.close()
  })

  test('a file is appended to', async () => {
    const path = join(directory, 'a log')
    writeFileSync(path, 'before ')
    const sink = openOutput(`file://${encodeURI(path)}`)
    await sink.write(bytes('after'))
    await sink.close()
    await sink.close()
    expect(readFileSync(path, 'utf8')).toBe('before after')
  })

  test('the directory of a file is made', async () => {
    const path = join(directory, 'not/there/yet')
    const sink = openOutput(`file://${path}`)
    await sink.write(bytes('text'))
    await sink.close()
    expect(readFileSync(path, 'utf8')).toBe('text')
  })

  test('a FIFO by a file’s URI is one, which waits for no reader', async () => {
    const path = fifo()
    const sink = openOutput(`file://${path}`)
    await sink.write(bytes('text'))
    const reader = Bun.spawn(['cat', path], { stdout: 'pipe' })
    const words = reader.stdout.getReader()
    expect(new TextDecoder().decode((await words.read()).value)).toBe('text')
    await sink.close()
    expect(await reader.exited).toBe(0)
  })

  test.each(['file://%zz', 'file://a b:c'])('%s is refused with a code', (uri) => {
    expect(() => openOutput(uri)).toThrow('[STDIO_INVALID]')
  })

  test('a file has the name that its URI says, whatever a URI has other uses for', async () => {
    const sink = openOutput(`file://${directory}/100%25%20of%23what%3F`)
    await sink.write(bytes('text'))
    await sink.close()
    expect(readFileSync(join(directory, '100% of#what?'), 'utf8')).toBe('text')
  })

  test('both streams of a log of ours are in one bounded file', async () => {
    const path = join(directory, 'log')
    const open = (stream: 'stdout' | 'stderr') =>
      openOutput(logUri({ path, stream, bounds: { maxBytes: 80, maxFiles: 2 } }))
    const [out, err] = [open('stdout'), open('stderr')]
    await out.write(bytes('one\n'))
    await err.write(bytes('two\n'))
    await out.close()
    await err.write(bytes('three\n'))
    await err.close()
    const words = (file: string) => readFileSync(file, 'utf8').match(/(?<= F )\w+/g)
    expect([`${path}.1`, path].map(words)).toEqual([['one', 'two'], ['three']])
  })

  test('a FIFO that ends with its reader holds nobody up once that has gone; any other waits for the next one', async () => {
    for (const endsWithReader of [true, false]) {
      const path = join(directory, String(endsWithReader))
      makeFifo(path)
      const reading = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
      const sink = openOutput(path, endsWithReader)
      const written = sink.write(new Uint8Array(200_000))
      closeSync(reading)
      if (!endsWithReader) {
        expect(await Promise.race([written, Bun.sleep(300).then(() => 'waits')])).toBe('waits')
        Bun.spawn(['cat', path], { stdout: 'ignore' })
      }
      await written
      await sink.close()
    }
  })

  test('a FIFO that ends with its reader has one', () => {
    expect(() => openOutput(fifo(), true)).toThrow('ENXIO')
  })

  describe('a log with a reader beside it', () => {
    const records = (path: string) => readFileSync(path, 'latin1').match(/(?<= F )\w+/g)

    function beside() {
      const [path, reader] = [join(directory, 'log'), fifo()]
      // The client reads before it asks for the process.
      const reading = openSync(reader, constants.O_RDONLY | constants.O_NONBLOCK)
      const bounds = { maxBytes: 4_000_000, maxFiles: 2 }
      return { path, reading, uri: logUri({ path, stream: 'stdout', bounds, reader }) }
    }

    test('gives both the same, and the reader its end', async () => {
      const { path, reading, uri } = beside()
      const text = textOf(Bun.file(reading).stream())
      const sink = openOutput(uri)
      await sink.write(bytes('one\n'))
      await sink.write(bytes('two\n'))
      await sink.close()
      expect(await text).toBe('one\ntwo\n')
      expect(records(path)).toEqual(['one', 'two'])
      closeSync(reading)
    })

    test('waits for a reader that does not read, and goes on without one that has gone', async () => {
      const { path, reading, uri } = beside()
      const sink = openOutput(uri)
      const written = sink.write(bytes(`${'x'.repeat(200_000)}\n`))
      expect(await Promise.race([written, Bun.sleep(200).then(() => 'waits')])).toBe('waits')
      closeSync(reading)
      await written
      await sink.write(bytes('after\n'))
      await sink.close()
      expect(records(path)?.map((text) => text.slice(0, 5))).toEqual(['xxxxx', 'after'])
    })

    test('leaves the reader its end when the log cannot be opened', async () => {
      const { path, reading, uri } = beside()
      mkdirSync(path)
      expect(() => openOutput(uri)).toThrow('EISDIR')
      expect(await textOf(Bun.file(reading).stream())).toBe('')
      closeSync(reading)
    })

    test('gives the reader what the log has no room for', async () => {
      const { path, reading, uri } = beside()
      symlinkSync('/dev/full', path)
      const text = textOf(Bun.file(reading).stream())
      const sink = openOutput(uri)
      await expect(sink.write(bytes('shown'))).rejects.toThrow('ENOSPC')
      await sink.close()
      expect(await text).toBe('shown')
      closeSync(reading)
    })
  })

  test('a full disk is an error, not an endless loop', async () => {
    const sink = openOutput('file:///dev/full')
    await expect(sink.write(bytes('x'))).rejects.toThrow('ENOSPC')
  })

  test('a FIFO’s reader gets every byte at its own pace, and the end', async () => {
    const path = fifo()
    const sink = openOutput(path)
    const reader = Bun.spawn(['sh', '-c', `sleep 0.1; wc -c < ${path}`], { stdout: 'pipe' })
    const chunk = new Uint8Array(64 * 1024)
    for (let count = 0; count < 32; count++) await sink.write(chunk)
    // O_RDWR keeps the data until the reader has opened its end.
    await Bun.sleep(200)
    await sink.close()
    expect((await new Response(reader.stdout).text()).trim()).toBe(String(32 * 64 * 1024))
  })

  test.each([
    ['relative/path', 'neither a path nor file://'],
    ['/nonexistent/fifo', 'ENOENT'],
    ['/dev/null', 'not a FIFO'],
    ['file:///proc/nonexistent/log', 'ENOENT'],
  ])('%s is refused', (uri, problem) => {
    expect(() => openOutput(uri)).toThrow(problem)
  })
})

describe('input', () => {
  test('none without a URI', () => {
    expect(openInput('')).toBeUndefined()
  })

  test('is read from the first writer to the last', async () => {
    const path = fifo()
    const input = openInput(path)!
    const text = textOf(input.chunks)
    await Bun.sleep(30)
    const writer = openSync(path, constants.O_WRONLY)
    writeFileSync(writer, 'hello')
    closeSync(writer)
    expect(await text).toBe('hello')
  })

  test('that is held goes on when its writers go, until the client said that it will write no more', async () => {
    const path = fifo()
    const input = openInput(heldInput(path))!
    const text = textOf(input.chunks)
    for (const word of ['one ', 'two']) {
      const writer = openSync(path, constants.O_WRONLY)
      writeFileSync(writer, word)
      closeSync(writer)
      await Bun.sleep(20)
    }
    input.finish()
    expect(await text).toBe('one two')
  })

  test('whose writer may come back waits for it, and is not over before the client said so', async () => {
    const path = fifo()
    const input = openInput(path, () => () => true)!
    const text = textOf(input.chunks)
    for (const word of ['one ', 'two ', 'three']) {
      const writer = openSync(path, constants.O_WRONLY)
      writeFileSync(writer, word)
      closeSync(writer)
      // Longer than the time of grace.
      if (word === 'one ') await Bun.sleep(1200)
    }
    await Bun.sleep(20)
    input.finish()
    expect(await text).toBe('one two three')
  })

  test('whose writer comes back while it is waited for, and is done by then, is read to its end', async () => {
    const path = fifo()
    const gone = Promise.withResolvers<void>()
    const input = openInput(path, () => {
      gone.resolve()
      return () => true
    })!
    const text = textOf(input.chunks)
    for (const word of ['one ', 'x'.repeat(60_000)]) {
      const writer = openSync(path, constants.O_WRONLY)
      writeFileSync(writer, word)
      closeSync(writer)
      await gone.promise
    }
    input.finish()
    expect(await text).toBe(`one ${'x'.repeat(60_000)}`)
  })

  test('whose writer goes with the client’s word, or does not come back, is over', async () => {
    const path = fifo()
    for (const isTold of [true, false]) {
      const input = openInput(path, () => () => isTold)!
      const text = textOf(input.chunks)
      const writer = openSync(path, constants.O_WRONLY)
      writeFileSync(writer, 'all')
      closeSync(writer)
      await Bun.sleep(20)
      if (isTold) input.finish()
      expect(await text).toBe('all')
    }
  })

  test('that waits for its writer lets go of the FIFO once it is cancelled', async () => {
    const path = fifo()
    const nothingStaysOpen = watchOpenFiles((name) => name === path)
    const input = openInput(path, () => () => true)!
    const text = textOf(input.chunks)
    closeSync(openSync(path, constants.O_WRONLY))
    await Bun.sleep(1200)
    // Another writer finds a reader.
    closeSync(openSync(path, constants.O_WRONLY | constants.O_NONBLOCK))
    input.cancel()
    expect(await text).toBe('')
    await nothingStaysOpen()
    expect(() => openSync(path, constants.O_WRONLY | constants.O_NONBLOCK)).toThrow('ENXIO')
  })

  test('that was written before the client said so is read to its end, however slowly', async () => {
    const path = fifo()
    const input = openInput(path)!
    const writer = openSync(path, constants.O_WRONLY)
    writeFileSync(writer, 'x'.repeat(1000))
    const chunks = input.chunks[Symbol.asyncIterator]()
    let length = (await chunks.next()).value!.length
    writeFileSync(writer, 'y'.repeat(50_000))
    closeSync(writer)
    input.finish()
    // Longer than the time of grace.
    await Bun.sleep(1500)
    for (let next = await chunks.next(); !next.done; next = await chunks.next()) length += next.value.length
    expect(length).toBe(51_000)
  })

  test('ends by itself some time after the client said that it will write no more', async () => {
    const path = fifo()
    const input = openInput(path)!
    const writer = openSync(path, constants.O_WRONLY)
    writeFileSync(writer, 'all')
    const text = textOf(input.chunks)
    input.finish()
    expect(await text).toBe('all')
    closeSync(writer)
  })
})
