/** Files between the host and containers, and containers that lie about theirs. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { makeTar } from '../../src/images/testing.ts'
import { Kata, scratch } from '../harness/kata.ts'
import { slow } from '../harness/time.ts'

let kata: Kata
beforeAll(async () => {
  kata = new Kata()
  await kata.call(['run', '-d', '--name', 'box', '--', 'sleep', '600'])
}, slow(60_000))
afterAll(async () => {
  await kata.call(['rm', '-f', 'box'])
  await kata.close()
}, slow(60_000))

const silent = { code: 0, stdout: '', stderr: '' }

test(
  'a tree goes in and comes back whole',
  async () => {
    using dir = scratch()
    mkdirSync(`${dir.path}/tree/deep`, { recursive: true })
    const bytes = crypto.getRandomValues(new Uint8Array(65536))
    writeFileSync(`${dir.path}/tree/deep/file`, Buffer.concat(Array.from({ length: 64 }, () => bytes)))
    expect(await kata.call(['cp', `${dir.path}/tree`, 'box:/srv'])).toEqual(silent)
    expect((await kata.call(['exec', 'box', 'stat', '-c', '%u', '/srv/deep/file'])).stdout).toBe('0\n')
    expect(await kata.call(['cp', 'box:/srv', `${dir.path}/back`])).toEqual(silent)
    const [sent, back] = ['tree', 'back'].map((name) => readFileSync(`${dir.path}/${name}/deep/file`))
    expect(sent!.equals(back!)).toBe(true)
    expect(await kata.call(['cp', 'box:/etc/hostname', dir.path])).toEqual(silent)
    expect(readFileSync(`${dir.path}/hostname`, 'utf8')).toBe('box\n')
  },
  slow(60_000),
)

test(
  'a container whose tar lies gets nothing written on the host',
  async () => {
    using dir = scratch()
    const into = `${dir.path}/into`
    mkdirSync(into)
    writeFileSync(`${dir.path}/secret`, 'before')
    const streams = {
      upwards: [{ name: '../secret', content: 'after' }],
      link: [
        { name: 'link', type: '2', linkName: dir.path },
        { name: 'link/secret', content: 'after' },
      ],
      // The positive control: the same program, and a stream that means well.
      honest: [{ name: 'honest', content: 'x', mode: 0o4755, uid: 1000 }],
    }
    await kata.call(['exec', 'box', 'sh', '-c', 'rm "$(which tar)"'])
    for (const [name, entries] of Object.entries(streams)) {
      const stdin = new Blob([new Uint8Array(makeTar(entries))])
      await kata.call(['exec', '-i', 'box', 'sh', '-c', `cat > /tmp/${name}`], { stdin })
    }
    const script = '#!/bin/sh\nexec cat /tmp/$(basename "$5")\n'
    await kata.call(['exec', '-i', 'box', 'sh', '-c', 'cat > /bin/tar; chmod 755 /bin/tar'], {
      stdin: script,
    })
    for (const name of ['upwards', 'link']) {
      const { code, stderr } = await kata.call(['cp', `box:/${name}`, into])
      expect({ name, code, stderr }).toEqual({
        name,
        code: 1,
        stderr: expect.stringContaining('[COPY_UNSAFE]'),
      })
    }
    expect(readdirSync(into)).toEqual([])
    expect(readFileSync(`${dir.path}/secret`, 'utf8')).toBe('before')
    expect(await kata.call(['cp', 'box:/honest', into])).toEqual(silent)
    const { mode, uid } = lstatSync(`${into}/honest`)
    expect({ mode: mode & 0o7777, uid }).toEqual({ mode: 0o755, uid: 0 })
  },
  slow(60_000),
)
